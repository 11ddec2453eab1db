export default () => "…";

// CSV files that operators bring: a head line with names, quotes as in RFC 4180. And the same out again.

/** Rows as objects by the names of the head line; lines without any text are left out. Throws where a quote is not closed. */
export function parseCsv(text) {
  const lines = [];
  let cells = [];
  let cell = "";
  let isQuoted = false;
  const source = text.replace(/^\ufeff/, "");
  for (let i = 0; i < source.length; i += 1) {
    const c = source[i];
    if (isQuoted) {
      if (c !== '"') cell += c;
      else if (source[i + 1] === '"') {
        cell += '"';
        i += 1;
      } else isQuoted = false;
    } else if (c === '"' && cell === "") isQuoted = true;
    else if (c === ",") {
      cells.push(cell);
      cell = "";
    } else if (c === "\n") {
      lines.push([...cells, cell.replace(/\r$/, "")]);
      cells = [];
      cell = "";
    } else cell += c;
  }
  if (isQuoted) throw new Error("a quote is not closed");
  if (cell || cells.length) lines.push([...cells, cell.replace(/\r$/, "")]);
  const [head = [], ...rest] = lines.filter((line) => line.some((one) => one.trim()));
  return rest.map((line) => Object.fromEntries(head.map((name, i) => [name.trim(), (line[i] ?? "").trim()])));
}

/** Rows of texts as a CSV file's bytes, with the mark that spreadsheets need for Chinese. */
export function csvBlob(lines) {
  const quoted = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  return new Blob([`\ufeff${lines.map((line) => line.map((one) => quoted(String(one ?? ""))).join(",")).join("\r\n")}\r\n`], { type: "text/csv" });
}

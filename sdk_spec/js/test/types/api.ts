/** The published declarations, as a CommonJS consumer sees them. */
import scenetrail = require('scenetrail-js/wechat');

scenetrail.init({ collectorUrl: 'https://collector.example', writeKey: 'wk' });
const card: scenetrail.ShareCard | undefined = scenetrail.createShareCard();
export const shareId: string | undefined = card && card.shareId;
// @ts-expect-error only numbers can be added
scenetrail.incrementUser({ visits: 'one' });

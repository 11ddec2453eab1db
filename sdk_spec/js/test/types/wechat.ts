/** The adapter's view of `wx` against miniprogram-api-typings, and the library in a native page. Compiled, never run. */
import type { EnterOptions, Host } from '../../src/platform';
import * as scenetrail from '../../src/index';

export const host: Host = wx;

export function launchFields(options: WechatMiniprogram.App.LaunchShowOption): EnterOptions {
  return options;
}

// @ts-expect-error a misspelt option is an error
scenetrail.init({ collectorURL: 'https://collector.example', writeKey: 'wk' });

scenetrail.init({
  collectorUrl: 'https://collector.example',
  writeKey: 'wk',
  autoTrack: { tap: true },
  consent: 'pending',
});

App({
  onLaunch(options) {
    scenetrail.track('launched', { scene: options.scene });
  },
});

Page({
  data: { sku: '' },
  onLoad(query) {
    scenetrail.track('product_view', { sku: query['sku'], price: 19.9, tags: ['a'], vip: true });
  },
  onShareAppMessage() {
    const card = scenetrail.createShareCard('pages/home/index', 'copy');
    return { title: 'x', path: card ? card.path : 'pages/home/index' };
  },
});

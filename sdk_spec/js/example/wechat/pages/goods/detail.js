const scenetrail = require('../../lib/scenetrail.js');

Page({
  data: { id: '' },

  onLoad({ id }) {
    this.setData({ id });
    scenetrail.track('product_view', { sku: id });
    scenetrail.timeEvent('order_pay');
  },

  buy() {
    scenetrail.track('add_to_cart', { sku: this.data.id, quantity: 1 });
    scenetrail.track('order_pay', { sku: this.data.id, amount: 28 });
    scenetrail.incrementUser({ orders: 1 });
  },

  // The SDK adds its parameter to this path; title and picture stay as they are.
  onShareAppMessage() {
    return { title: '一起喝咖啡', path: `/pages/goods/detail?id=${this.data.id}` };
  },

  onShareTimeline() {
    return { title: '一起喝咖啡', query: `id=${this.data.id}` };
  },
});

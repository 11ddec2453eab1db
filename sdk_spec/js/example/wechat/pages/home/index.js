const scenetrail = require('../../lib/scenetrail.js');

Page({
  data: {
    goods: [
      { id: '42', name: '手冲咖啡', price: 28 },
      { id: '43', name: '冷萃咖啡', price: 32 },
    ],
    isAsking: false,
  },

  onLoad() {
    // The decision is stored by the SDK; asking once is up to the app.
    this.setData({ isAsking: !wx.getStorageSync('asked') });
  },

  agree() {
    wx.setStorageSync('asked', true);
    this.setData({ isAsking: false });
    scenetrail.optIn();
  },

  decline() {
    wx.setStorageSync('asked', true);
    this.setData({ isAsking: false });
    scenetrail.optOut();
  },

  open({ currentTarget }) {
    wx.navigateTo({ url: `/pages/goods/detail?id=${currentTarget.dataset.id}` });
  },
});

// Copy dist/wechat.js of the SDK to lib/scenetrail.js (see README.md), and load it before everything else:
// pages register while their files load, and only a library that is there by then hears them.
const scenetrail = require('./lib/scenetrail.js');

scenetrail.init({
  collectorUrl: 'https://track.example.com',
  writeKey: 'your write key',
  // 用户同意隐私协议之前，事件只保存在内存中。 Until the user agrees, events stay in memory.
  consent: 'pending',
  debug: true,
});

App({
  onLaunch() {
    // Your server exchanges the code for the openid; the SDK never sees a secret.
    wx.login({
      success: ({ code }) => {
        if (!code) return;
        wx.request({
          url: 'https://api.example.com/login',
          method: 'POST',
          data: { code },
          success: ({ data }) => scenetrail.identify({ openid: data.openid, userId: data.userId }),
        });
      },
    });
  },
});

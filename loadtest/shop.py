"""
The made-up shop of the demo: 山野小集, a grocer with mini-programs on three platforms.

Data only. Scene codes are those of the platforms' tables (``sdk_spec.scenes``); the weights are
ours. Read by ``life``.
"""

from __future__ import annotations

from itertools import accumulate
from random import Random
from typing import Generic, NamedTuple, TypeVar

Choice = TypeVar("Choice")


class Weighted(Generic[Choice]):
    """A choice by weight. ``pick`` costs one random number and a binary search."""

    def __init__(self, weights: dict[Choice, float]) -> None:
        self.items = list(weights)
        self._cumulative = list(accumulate(weights.values()))

    def pick(self, random: Random) -> Choice:
        """Return one item."""
        return random.choices(self.items, cum_weights=self._cumulative)[0]


class Item(NamedTuple):
    """One thing for sale; ``price`` in yuan."""

    sku: str
    name: str
    category: str
    price: float


_SHELVES: dict[str, list[tuple[str, float]]] = {
    "茶叶": [
        ("明前龙井 125g", 168.0),
        ("正山小种 100g", 98.0),
        ("安溪铁观音 250g", 128.0),
        ("云南普洱熟茶饼 357g", 139.0),
        ("福鼎白茶 老寿眉 300g", 118.0),
        ("茉莉花茶 200g", 59.9),
        ("冷泡乌龙茶包 20袋", 39.9),
    ],
    "坚果零食": [
        ("临安山核桃仁 200g", 56.9),
        ("新疆和田枣夹核桃 500g", 45.8),
        ("每日坚果 30袋", 99.0),
        ("海盐焦糖夏威夷果 250g", 36.5),
        ("手工牛轧糖 300g", 29.9),
        ("黑芝麻丸 9g×14", 39.0),
        ("冻干草莓脆 40g", 19.9),
    ],
    "水果生鲜": [
        ("赣南脐橙 5斤", 39.9),
        ("丹东草莓 2斤", 69.9),
        ("烟台红富士 5斤", 45.0),
        ("攀枝花芒果 5斤", 49.9),
        ("海南贵妃荔枝 3斤", 59.0),
        ("阳山水蜜桃 8只", 79.0),
        ("四川丑橘 5斤", 42.8),
        ("宁夏滩羊排 1kg", 138.0),
    ],
    "粮油调味": [
        ("五常大米 5kg", 89.0),
        ("冷榨亚麻籽油 500ml", 49.0),
        ("郫县豆瓣酱 500g", 16.8),
        ("镇江陈醋 六年 500ml", 22.0),
        ("土蜂蜜 500g", 68.0),
        ("古法红糖 350g", 25.9),
    ],
    "家居好物": [
        ("景德镇手绘盖碗", 129.0),
        ("竹编收纳篮", 35.0),
        ("天然棉麻桌布", 79.0),
        ("便携旅行茶具", 158.0),
        ("艾草香薰蜡烛", 45.0),
    ],
    "护肤洗护": [
        ("茶树精油手工皂", 32.0),
        ("山茶花护手霜 60g", 39.0),
        ("何首乌洗发水 400ml", 58.0),
        ("绿茶面膜 10片", 69.0),
    ],
}

ITEMS: list[Item] = [
    Item(f"SY-{shelf:02d}{place:02d}", name, category, price)
    for shelf, (category, things) in enumerate(_SHELVES.items(), 1)
    for place, (name, price) in enumerate(things, 1)
]
ITEMS_BY_SKU = {item.sku: item for item in ITEMS}
ITEMS_BY_CATEGORY = {
    category: [item for item in ITEMS if item.category == category] for category in _SHELVES
}
CATEGORIES = Weighted(
    {
        "水果生鲜": 30.0,
        "坚果零食": 24.0,
        "茶叶": 17.0,
        "粮油调味": 13.0,
        "家居好物": 8.0,
        "护肤洗护": 8.0,
    }
)

CITIES = Weighted(
    {
        "北京": 11.0,
        "上海": 12.0,
        "广州": 8.0,
        "深圳": 9.0,
        "杭州": 10.0,
        "成都": 8.0,
        "武汉": 6.0,
        "南京": 5.5,
        "西安": 5.0,
        "重庆": 5.0,
        "苏州": 4.5,
        "长沙": 4.0,
        "郑州": 3.5,
        "青岛": 3.0,
        "厦门": 3.0,
        "合肥": 2.5,
    }
)

COUPONS = {"新人立减10元": "C-NEW-10", "满99减20": "C-99-20", "周末生鲜88折": "C-FRESH-88"}
KEYWORDS = Weighted(
    {
        "橙子": 5,
        "茶叶": 5,
        "坚果": 4,
        "大米": 3,
        "草莓": 4,
        "蜂蜜": 2,
        "礼盒": 3,
        "面膜": 1,
        "有机": 2,
    }
)

PLATFORMS = ("wechat", "alipay", "douyin")
FIRST_PLATFORM = Weighted({"wechat": 64.0, "alipay": 17.0, "douyin": 19.0})
PLATFORM_NAMES = {"wechat": "微信", "alipay": "支付宝", "douyin": "抖音"}
PAY_METHOD = {"wechat": "微信支付", "alipay": "支付宝", "douyin": "抖音支付"}

# Entries of somebody who was not there before, and of somebody who comes back. A visit from a
# shared card has its own.
NEW_SCENES: dict[str, Weighted[str]] = {
    "wechat": Weighted(
        {
            "1005": 9, "1006": 5, "1053": 9, "1011": 9, "1047": 11, "1012": 3, "1048": 2,
            "1035": 8, "1058": 9, "1067": 4, "1037": 5, "1045": 6, "1046": 2, "1145": 4,
            "1026": 2, "1175": 2, "1177": 4, "1184": 2, "1065": 1.5, "1167": 1.5, "1034": 1.5,
            "1154": 1, "1387": 0.2,
        }
    ),
    "alipay": Weighted(
        {
            "1005": 16, "1000": 12, "1001": 8, "1003": 7, "1011": 14, "1020": 10, "1037": 4,
            "1039": 5, "1300": 4, "1301": 5, "1400": 9, "1401": 2, "1403": 6, "1022": 2,
            "1209": 3, "0000": 1,
        }
    ),
    "douyin": Weighted(
        {
            "023001": 22, "023010": 10, "023016": 6, "023003": 5, "023005": 4, "022001": 12,
            "022002": 6, "021002": 4, "025001": 10, "027003": 4, "027007": 4, "023004": 3,
            "021036": 3, "013005": 2, "101001": 1, "103001": 2,
        }
    ),
}  # fmt: skip
BACK_SCENES: dict[str, Weighted[str]] = {
    "wechat": Weighted(
        {
            "1089": 30, "1001": 15, "1104": 11, "1103": 4, "1107": 8, "1043": 3, "1035": 5,
            "1058": 3, "1005": 4, "1053": 3, "1011": 4, "1047": 3, "1023": 2, "1010": 1.5,
            "1131": 2, "1038": 2, "1074": 1, "1073": 1, "1257": 0.6,
        }
    ),
    "alipay": Weighted(
        {
            "1002": 30, "1000": 15, "1014": 12, "1005": 9, "1011": 7, "1020": 6, "1023": 3,
            "1402": 5, "1403": 4, "1305": 3, "1001": 5,
        }
    ),
    "douyin": Weighted(
        {
            "021001": 25, "021003": 7, "021013": 10, "026003": 7, "026004": 5, "021020": 3,
            "023001": 16, "022001": 9, "023010": 7, "021008": 4,
        }
    ),
}  # fmt: skip
CARD_SCENES: dict[str, dict[str, Weighted[str]]] = {
    "wechat": {
        "message": Weighted({"1007": 55, "1044": 33, "1008": 12}),
        "timeline": Weighted({"1155": 80, "1154": 20}),
        "copy": Weighted({"1065": 50, "1194": 50}),
    },
    "alipay": {"message": Weighted({"1007": 1}), "copy": Weighted({"1300": 1})},
    "douyin": {
        "message": Weighted({"024001": 55, "024007": 30, "024002": 15}),
        "copy": Weighted({"024008": 1}),
    },
}
SHARE_CHANNELS: dict[str, Weighted[str]] = {
    "wechat": Weighted({"message": 82, "timeline": 15, "copy": 3}),
    "alipay": Weighted({"message": 90, "copy": 10}),
    "douyin": Weighted({"message": 85, "copy": 15}),
}
GROUP_SCENES = frozenset({"1044", "1008"})
RECALL_SCENE = {"wechat": "1107", "alipay": "1014", "douyin": "026003"}
"""Of the message that calls members back."""
UNKNOWN_SCENES = {"wechat": "1999", "alipay": "1988", "douyin": "029999"}
"""Codes the dictionary does not have: they are shown as themselves, never dropped."""

CAMPAIGNS = {
    "1045": ("moments", "cpc", "双周生鲜节"),
    "1046": ("moments", "cpc", "双周生鲜节"),
    "1067": ("mp_article", "cpc", "春茶上新"),
    "1400": ("denghuo", "cpc", "双周生鲜节"),
    "025001": ("ocean_engine", "cpc", "达人探店"),
    "1058": ("mp_article", "content", "产地故事"),
    "1047": ("qr", "offline", "社区地推"),
    "1107": ("subscribe_message", "push", "降价提醒"),
    "1014": ("service_message", "push", "降价提醒"),
    "026003": ("push", "push", "降价提醒"),
}
"""Scene to utm source, medium, campaign."""
PARTNERS = ("wx5b97b0686831c076", "wx91d27dbf599dff74", "wxaf35009675aa0b2a")
"""Mini-programs that jump here (scenes 1037 and 1038)."""


class Phone(NamedTuple):
    """A device as the platform's system-info call names it."""

    brand: str
    model: str
    os: str
    os_version: str
    screen_width: int
    screen_height: int


PHONES = Weighted(
    {
        Phone("Apple", "iPhone 15 Pro", "iOS", "18.5", 393, 852): 11,
        Phone("Apple", "iPhone 14", "iOS", "17.6", 390, 844): 12,
        Phone("Apple", "iPhone 12", "iOS", "16.7", 390, 844): 7,
        Phone("HUAWEI", "Mate 60 Pro", "HarmonyOS", "4.2", 412, 919): 12,
        Phone("HUAWEI", "nova 12", "HarmonyOS", "4.0", 392, 872): 8,
        Phone("HUAWEI", "Pura 70", "HarmonyOS NEXT", "5.0", 412, 902): 4,
        Phone("Xiaomi", "14", "Android", "14", 393, 873): 10,
        Phone("Redmi", "K70", "Android", "14", 393, 873): 9,
        Phone("OPPO", "Reno11", "Android", "14", 360, 804): 9,
        Phone("vivo", "X100", "Android", "14", 393, 873): 9,
        Phone("HONOR", "Magic6", "Android", "14", 360, 792): 7,
        Phone("samsung", "SM-S9180", "Android", "13", 384, 854): 2,
    }
)
NETWORKS = Weighted({"wifi": 58, "5g": 31, "4g": 10, "3g": 0.5, "unknown": 0.5})
HOST_VERSIONS = {
    "wechat": Weighted({"8.0.61": 50, "8.0.60": 25, "8.0.55": 15, "8.0.49": 10}),
    "alipay": Weighted({"10.7.26": 60, "10.7.10": 30, "10.6.66": 10}),
    "douyin": Weighted({"35.2.0": 60, "34.8.0": 30, "33.1.0": 10}),
}
BASE_LIBRARY_VERSIONS = {"wechat": "3.8.10", "alipay": "2.9.37", "douyin": "3.66.0"}
APP_VERSIONS = ("3.1.0", "3.1.2", "3.2.0")
"""Released in this order over the month."""


def _by_hour(weights: str) -> Weighted[int]:
    return Weighted({hour: float(weight) for hour, weight in enumerate(weights.split())})


# Visits start by these weights of each local hour: commute, lunch, and an evening peak; later at
# weekends.
WEEKDAY_HOURS = _by_hour("8 4 2 1 1 3 10 28 42 38 36 42 72 58 38 34 36 46 66 92 118 122 84 34")
WEEKEND_HOURS = _by_hour("14 8 4 2 1 2 5 14 30 52 70 74 72 66 68 72 74 76 84 104 128 130 98 48")
DAY_WEIGHTS = (1.0, 0.96, 0.98, 1.02, 1.12, 1.5, 1.4)
"""New visitors by day of the week, from Monday."""

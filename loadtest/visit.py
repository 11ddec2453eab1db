"""
One visit: the events of one session, launch to hide, login on the way. Used by ``life``.

The shopping funnel: app_show, product_view, add_to_cart, order_submit, order_pay. Whoever orders
logs in; whoever drops out leaves a believable trace of where.
"""

from __future__ import annotations

from random import Random
from typing import Any, NamedTuple

from loadtest import shop
from loadtest.people import Account, Person, letters

Json = dict[str, Any]

SUSPENDED_MS = 30 * 60_000
"""The host app destroys a mini-program that long after it went to the background."""
_RESHARE_FACTOR = 3.4
"""Who came by a card passes it on more often than others share."""
_STORE_SCENES = frozenset({"1047", "1011", "023005"})
_ITEM_SCENES = frozenset({"1107", "1058", "1014", "023001", "027003"})
_INTENT = {"glance": 0.42, "casual": 0.8, "regular": 1.0}
_ORDER_CHANCE = {"glance": 0.3, "casual": 0.48, "regular": 0.62}


class Card(NamedTuple):
    """A shared card: what it shows, and its depth in its chain (made without a parent: 1)."""

    share_id: str
    depth: int
    platform: str
    channel: str
    page: str
    page_query: str
    sku: str
    sharer: Person
    group_id: str


class Piece(NamedTuple):
    """Events sent while the same ids were known."""

    ids: dict[str, str]
    events: list[Json]


class Visit:
    """
    Makes the events of one session.

    After ``play``: ``pieces`` (in order), ``cards`` (each with its time), ``ended_at`` (epoch ms),
    ``has_paid``.
    """

    def __init__(
        self,
        random: Random,
        person: Person,
        account: Account,
        *,
        started_at: int,
        scene: str,
        card: Card | None,
        is_weekend: bool,
    ) -> None:
        self._random = random
        self._person = person
        self._account = account
        self._now = started_at
        self._scene = scene
        self._card = card
        self._is_weekend = is_weekend
        self._started_at = started_at
        self._is_page_open = False
        self._page = ""
        self._page_query = ""
        self._page_since = started_at
        self._seq = 0
        self.pieces: list[Piece] = []
        self.cards: list[tuple[int, Card]] = []
        self.has_paid = False
        self.has_favorited = False
        self._session: Json = {"session_id": letters(random, 16)}
        if scene:
            # WeChat gives the scene as a number, the others as a string.
            self._session["scene"] = int(scene) if account.platform == "wechat" else scene
        if card:
            self._session["share_id"] = card.share_id
        if scene in shop.CAMPAIGNS:
            source, medium, campaign = shop.CAMPAIGNS[scene]
            self._session["utm"] = {"source": source, "medium": medium, "campaign": campaign}
        self._entry: Json = {}
        if card and scene in shop.GROUP_SCENES:
            self._entry = {
                "chat_type": 3,
                "group_id": card.group_id,
                "share_ticket": letters(random, 32),
            }
        elif card and scene == "1007":
            self._entry = {"chat_type": 1}
        elif scene in ("1037", "1038"):
            self._entry = {"referrer_app_id": random.choice(shop.PARTNERS)}

    @property
    def ended_at(self) -> int:
        """When the last event happened."""
        return self._now

    def play(self) -> None:
        """Make all events."""
        random, account = self._random, self._account
        self._start_piece()
        is_cold = self._started_at > account.awake_until
        account.visits += 1
        landing = self._landing()
        if is_cold:
            self._add("app_launch", 0, {"is_first": account.visits == 1}, **self._entry)
        self._page, self._page_query = landing
        self._add("app_show", 40, {"is_cold": is_cold}, **self._entry)
        if self._scene == "1154":  # single-page mode: one look; login does not work there
            self._open_page(*landing)
            self._wait(3_000, 15_000)
            self._close_page()
            return
        if not account.knows_openid and random.random() < 0.8:
            self._wait(300, 900)
            account.knows_openid = True  # the platform's silent login has answered
            self._start_piece()
        self._open_page(*landing)
        self._browse(landing)
        self._hide()

    # What a visitor does, in the order it can happen.

    def _landing(self) -> tuple[str, str]:
        if self._card:
            return self._card.page, self._card.page_query
        if self._scene in _STORE_SCENES and self._random.random() < 0.6:
            store = self._random.randint(1, 24)
            return "pages/store/index", f"scene=store%3D{store:03d}"
        if (
            self._scene in ("1107", "1058", "1014", "023001", "027003")
            and self._random.random() < 0.7
        ):
            item = self._choose_item()
            return "pages/goods/detail", f"sku={item.sku}"
        return "pages/home/index", ""

    def _browse(self, landing: tuple[str, str]) -> None:
        random, person = self._random, self._person
        intent = _INTENT[person.kind]
        cart: list[tuple[shop.Item, int]] = []
        if landing[0] == "pages/goods/detail":
            self._look_at(shop.ITEMS_BY_SKU[landing[1].removeprefix("sku=")], cart)
        else:
            self._wait(2_000, 14_000)
            if random.random() < 0.16:
                slot = random.randint(1, 5)
                self._add("tap", 0, {"element": "banner", "slot": slot})
            if random.random() > 0.35 + 0.5 * intent:
                return
        if random.random() < 0.2:
            word = shop.KEYWORDS.pick(random)
            self._open_page("pages/search/result", f"q={word}")
            self._add("search", 200, {"keyword": word, "results": random.randint(0, 12)})
            self._wait(1_500, 9_000)
        if not person.coupons and random.random() < 0.1:
            self._visit_coupons()
        while random.random() < 0.34 + 0.28 * intent:
            self._look_at(self._choose_item(), cart)
        if cart:
            self._check_out(cart)

    def _choose_item(self) -> shop.Item:
        random = self._random
        likes = random.random() < 0.55
        category = self._person.category if likes else shop.CATEGORIES.pick(random)
        shelf = shop.ITEMS_BY_CATEGORY[category]
        return shelf[int(len(shelf) * random.random() ** 1.7)]  # the first of a shelf sell best

    def _look_at(self, item: shop.Item, cart: list[tuple[shop.Item, int]]) -> None:
        random = self._random
        about: Json = {
            "sku": item.sku,
            "name": item.name,
            "category": item.category,
            "price": item.price,
        }
        self._open_page("pages/goods/detail", f"sku={item.sku}")
        self._add("product_view", 150, about)
        self._wait(3_000, 40_000)
        bought_by_friend = 1.5 if self._card and self._card.sku == item.sku else 1.0
        if random.random() < 0.16 * _INTENT[self._person.kind] * bought_by_friend * (
            1.25 if self._is_weekend else 1.0
        ):
            quantity = 1 if random.random() < 0.8 else 2
            self._add("add_to_cart", 0, about | {"quantity": quantity})
            cart.append((item, quantity))
            self._wait(800, 4_000)
        if not self.has_favorited and random.random() < 0.025:
            self.has_favorited = True
            self._add("add_favorite", 0, {"sku": item.sku})
            self._wait(500, 2_000)
        if not self.cards and random.random() < 0.045 * (_RESHARE_FACTOR if self._card else 1.0):
            self._share(item)

    def _share(self, item: shop.Item) -> None:
        random, parent = self._random, self._card
        channel = shop.SHARE_CHANNELS[self._account.platform].pick(random)
        card = Card(
            share_id=letters(random, 12),
            depth=parent.depth + 1 if parent else 1,
            platform=self._account.platform,
            channel=channel,
            page="pages/goods/detail",
            page_query=f"sku={item.sku}",
            sku=item.sku,
            sharer=self._person,
            group_id="tGid" + letters(random, 24),
        )
        about: Json = {
            "share_id": card.share_id,
            "depth": card.depth,
            "share_channel": channel,
            "share_path": f"{card.page}?{card.page_query}",
            "sku": item.sku,
            "category": item.category,
        }
        if parent:
            about["parent_share_id"] = parent.share_id
        self._add("share", 0, about)
        self.cards.append((self._now, card))
        self._wait(2_000, 9_000)

    def _visit_coupons(self) -> None:
        random = self._random
        self._open_page("pages/coupon/center", "")
        self._wait(2_000, 8_000)
        if random.random() < 0.75 and self._log_in(0.7):
            name = random.choice(list(shop.COUPONS))
            self._person.coupons.append(name)
            self._add("coupon_receive", 0, {"coupon_id": shop.COUPONS[name], "coupon_name": name})
            self._wait(800, 3_000)

    def _check_out(self, cart: list[tuple[shop.Item, int]]) -> None:
        random, person = self._random, self._person
        total = sum(item.price * quantity for item, quantity in cart)
        self._open_page("pages/cart/index", "")
        self._wait(1_500, 12_000)
        if random.random() > _ORDER_CHANCE[person.kind] + 0.1 * bool(person.coupons):
            return
        if not self._log_in(0.85):
            return
        self._open_page("pages/order/confirm", "")
        self._wait(3_000, 25_000)
        coupon = person.coupons.pop() if person.coupons else None
        amount = round(max(total - 10.0, 1.0) if coupon else total, 2)
        order: Json = {
            "order_id": f"SO{self._now}{person.number % 10_000:04d}",
            "amount": amount,
            "items": len(cart),
            "skus": [item.sku for item, _ in cart],
            "category": cart[0][0].category,
            "sku": cart[0][0].sku,
        }
        if coupon:
            self._add("coupon_use", 0, {"coupon_id": shop.COUPONS[coupon], "coupon_name": coupon})
            self._wait(200, 800)
        self._add("order_submit", 0, order)
        self._wait(2_500, 20_000)
        if random.random() > 0.84:
            return
        method = shop.PAY_METHOD[self._account.platform]
        self._add("order_pay", 0, order | {"pay_method": method, "first_order": person.orders == 0})
        self._add("user_increment", 5, {"orders": 1, "spent": amount})
        person.orders += 1
        person.spent += amount
        self.has_paid = True
        self._open_page("pages/order/result", "")
        self._wait(1_500, 6_000)

    def _log_in(self, chance: float) -> bool:
        """Become a member unless already one. Everything after it carries the user_id."""
        person, account = self._person, self._account
        if account.is_member:
            return True
        if self._random.random() > chance:
            return False
        self._wait(4_000, 15_000)
        account.knows_openid = account.is_member = True
        self._start_piece()
        self._add("identify", 0, {"method": "phone_number"})
        self._add("user_set", 2, {"city": person.city, "age": person.age, "gender": person.gender})
        self._add("user_set_once", 2, {"first_platform": account.platform})
        self._wait(500, 1_500)
        return True

    # How events are made.

    def _start_piece(self) -> None:
        person, account = self._person, self._account
        ids = {"anonymous_id": account.anonymous_id}
        if account.knows_openid:
            ids["openid"] = account.openid
            if account.platform == "wechat" or person.binds_by == "unionid":
                ids["unionid"] = person.unionid
        if account.is_member:
            ids["user_id"] = person.user_id
        if not self.pieces or self.pieces[-1].ids != ids:
            self.pieces.append(Piece(ids, []))

    def _wait(self, least_ms: int, usual_ms: int) -> None:
        """Let time pass, mostly near the lower half, sometimes far longer."""
        chance = self._random.random()
        self._now += int(
            least_ms + (usual_ms - least_ms) * chance * chance * (3 if chance > 0.96 else 1)
        )

    def _add(self, name: str, after_ms: int, properties: Json, **fields: object) -> None:
        self._now += after_ms
        self._seq += 1
        properties["city"] = self._person.city
        event: Json = {
            "event_id": f"{self._random.getrandbits(88):022x}",
            "event": name,
            "occurred_at": self._now,
            "seq": self._seq,
            **self._session,
        }
        if self._page:
            event["page"] = self._page
            if self._page_query:
                event["page_query"] = self._page_query
        event.update(fields)
        event["properties"] = properties
        self.pieces[-1].events.append(event)

    def _open_page(self, page: str, query: str) -> None:
        came_from = self._close_page()
        self._is_page_open = True
        self._page, self._page_query, self._page_since = page, query, self._now
        if came_from:
            self._add("page_view", 60, {}, referrer_page=came_from)
        else:
            self._add("page_view", 60, {})

    def _close_page(self) -> str:
        """Leave the open page, if any, and return it."""
        if not self._is_page_open:
            return ""
        self._is_page_open = False
        self._add("page_leave", 0, {}, duration_ms=self._now - self._page_since)
        return self._page

    def _hide(self) -> None:
        self._wait(500, 6_000)
        self._close_page()
        self._account.awake_until = self._now + SUSPENDED_MS
        if self._random.random() < 0.94:  # hosts do not always tell
            self._add("app_hide", 20, {}, duration_ms=self._now - self._started_at)

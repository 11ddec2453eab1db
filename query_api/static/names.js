// Who a user is, as an operator knows them: the strongest id in the place of the key that reports give.

import { post } from "./api.js";
import { h } from "./dom.js";
import { errorLine } from "./errors.js";
import { t } from "./i18n.js";
import { addressOf } from "./state.js";

const STRONGEST_FIRST = ["user_id", "unionid", "openid", "anonymous_id", "phone_hash"];

/** The strongest of some ids; undefined without any. */
export function strongest(ids) {
  return STRONGEST_FIRST.flatMap((kind) => ids.filter((one) => one.kind === kind))[0];
}

/** row: a user with its `ids`. Without any its key. */
export const nameOf = (row) => strongest(row.ids)?.id ?? row.user;

/** A link to a person, or where no page of persons exists the bare name. */
export function personLink(user, name, { profiles = true, ...props } = {}) {
  return profiles ? h("a", { href: addressOf("people", { user }), ...props }, name) : h("code", {}, name);
}

/**
 * What the users of a list that has keys only are called: one question for all of them.
 *
 * title(user): the name; "…" while it is on its way, the key where there is none. link(user, props): a link that keeps
 * the place of the name until it says it. known: a promise that resolves when the names stand.
 */
export function namesOf(users, body, { profiles = true } = {}) {
  const wanted = [...new Set(users)];
  const names = new Map();
  const links = [];
  let isPending = profiles && wanted.length > 0;
  let fault = "";

  const title = (user) => (isPending ? "…" : (names.get(user) ?? user));

  function say(link) {
    link.classList.toggle("pending", isPending);
    if (isPending) link.setAttribute("aria-label", t("正在读取名称|Reading the name"));
    else link.removeAttribute("aria-label");
    link.textContent = isPending ? "" : title(link.dataset.user);
    link.title = fault || link.textContent;
  }

  async function learn() {
    const { app_ids, timezone, as_of, partial } = body;
    const time_range = { from: "2000-01-01", to: "2099-12-31" }; // the card of a sharer may be older than the page's range
    try {
      const answer = await post("/v1/query/users", { app_ids, timezone, as_of, partial, time_range, users: wanted, limit: wanted.length });
      for (const row of answer.result.users) names.set(row.user, nameOf(row));
    } catch (error) {
      fault = errorLine(error); // the key still leads to the same person
    }
    isPending = false;
    links.forEach(say);
  }

  return {
    title,
    known: isPending ? learn() : Promise.resolve(),
    link(user, props = {}) {
      if (!profiles) return personLink(user, user, { profiles });
      const link = personLink(user, "", { ...props, class: "person", dataset: { user } });
      say(link);
      links.push(link);
      return link;
    },
  };
}

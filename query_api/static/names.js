// Who a user is, as an operator knows them: the strongest id in the place of the key that reports give.

import { post } from "./api.js";
import { h } from "./dom.js";
import { errorLine } from "./errors.js";
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

/** Links for the users of a list that has keys only: each says its name as soon as one question for all of them is answered. */
export function namedLinks(users, body, { profiles = true } = {}) {
  const wanted = [...new Set(users)];
  const names = new Map();
  const links = [];
  if (profiles && wanted.length) learn();

  async function learn() {
    const { app_ids, timezone, as_of, partial } = body;
    const time_range = { from: "2000-01-01", to: "2099-12-31" }; // the card of a sharer may be older than the page's range
    try {
      const answer = await post("/v1/query/users", { app_ids, timezone, as_of, partial, time_range, users: wanted, limit: wanted.length });
      for (const row of answer.result.users) names.set(row.user, nameOf(row));
      for (const link of links) link.textContent = names.get(link.dataset.user) ?? link.dataset.user;
    } catch (error) {
      for (const link of links) link.title = errorLine(error); // it still leads to the same person
    }
  }

  return (user) => {
    const link = personLink(user, names.get(user) ?? user, { profiles, dataset: { user } });
    links.push(link);
    return link;
  };
}

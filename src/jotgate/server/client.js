// Login, logout and a fetch that keeps its session, for pages: see docs/browser.md.
//
// What is held is read anew each time from where all tabs see it. Who wants it renewed says what it saw, and waits for
// the lock: if something else is held by then, another tab was there before.

const SERVED = { transport: "bearer", refresh: true }; // the issuer writes its own here
const RENEWABLE = ["token_expired", "claims_stale", "token_revoked"];
const SAFE = ["GET", "HEAD", "OPTIONS"];
const TRIES = 5; // an answer that got lost is given again
const ANSWER_MS = 10_000;
const LOCK_MS = 30_000;
const AHEAD_MS = 3_000; // what a request waits for a renewal that it does not need yet
const NEWS_MS = 2_000; // what storage takes from tab to tab at most

/** What the issuer refused: `status`, `code`, `retryAfter` in seconds. */
export class AuthError extends Error {
  constructor(response, answer) {
    super(answer.error_description ?? `HTTP ${response.status}`);
    this.name = "AuthError";
    this.status = response.status;
    this.code = answer.code;
    this.retryAfter = Number(response.headers.get("retry-after")) || undefined;
  }
}

/** An EventTarget of `login` and `logout`. `origins`: who may have the token besides the issuer and the page's own. */
export function createSession({ issuer = ".", transport = SERVED.transport, origins = [], storage = shared() } = {}) {
  const base = new URL(`${issuer}`.replace(/\/?$/, "/"), import.meta.url);
  const cookie = transport === "cookie" || (transport === "both" && location.hostname === base.hostname);
  const key = `jotgate ${base} ${cookie ? "cookie" : "bearer"}`;
  const [csrf, secure] = base.protocol === "https:" ? ["__Host-jotgate-csrf=", "; Secure"] : ["jotgate-csrf=", ""];
  const trusted = new Set([base, location, ...origins].map((place) => new URL(place).origin));
  trusted.delete("null"); // what files and the like have for an origin
  const store = storage ?? memory();
  const renewals = new Map(); // what was seen -> its one renewal in this tab

  const record = () => parsed(store.getItem(key));
  const tell = (event) => session.dispatchEvent(new Event(event));

  /** What every renewal replaces: the access token or, of cookies, the csrf value. */
  function held() {
    if (!cookie) return record().mark;
    const pair = document.cookie.split("; ").find((pair) => pair.startsWith(csrf));
    return pair?.slice(csrf.length);
  }

  function keep(answer, since = record().since) {
    const mark = cookie ? held() : answer.access_token ?? answer.token;
    const refresh = cookie ? undefined : answer.refresh_token ?? answer.refreshToken;
    const seconds = answer.expires_in ?? (!cookie && mark && lifetime(mark));
    const ahead = seconds && (cookie ? SERVED.refresh : refresh) && Math.max(0.8 * seconds, seconds - 30);
    const due = ahead ? Date.now() + 1000 * ahead : undefined;
    store.setItem(key, JSON.stringify({ mark, refresh, due, since }));
  }

  function isDue() {
    const { mark, due } = record(); // beside a newer cookie it may be an older one
    return mark && mark === held() && due < Date.now();
  }

  function forget() {
    if (cookie) document.cookie = `${csrf}; Path=/; Max-Age=0${secure}`;
    store.removeItem(key);
    tell("logout");
  }

  /** Without Web Locks, or if the holder sleeps: at once, for the issuer answers both alike. */
  async function locked(name, how, work) {
    let begun;
    const once = (lock) => (begun ??= work(lock));
    try {
      return await navigator.locks.request(name, how, once);
    } catch {
      return once(true);
    }
  }

  const alone = (work) => locked(key, { signal: AbortSignal.timeout(LOCK_MS) }, work);

  async function post(path, body, { tries = TRIES, bearer = {} } = {}) {
    for (let wait = 250; ; wait *= 2) {
      try {
        const response = await globalThis.fetch(new URL(path, base), {
          method: "POST",
          body: body && JSON.stringify(body),
          headers: { ...(body && { "content-type": "application/json" }), ...(cookie ? proof("POST") : bearer) },
          credentials: cookie ? "include" : "omit", // a cookie beside the bearer would contradict it
          redirect: "error", // passwords and tokens go nowhere else
          keepalive: true,
          signal: AbortSignal.timeout(ANSWER_MS),
        });
        const answer = await read(response);
        if (response.ok) return answer;
        throw new AuthError(response, answer);
      } catch (error) {
        if (error.status < 500 || --tries < 1) throw error;
      }
      await pause(wait * (0.5 + Math.random()));
    }
  }

  function proof(method) {
    const now = held();
    if (!now || (cookie && SAFE.includes(method))) return {};
    return cookie ? { "x-csrf-token": now } : { authorization: `Bearer ${now}` };
  }

  /** Once in this tab, once in all tabs, for whoever saw the same. */
  function renew(seen) {
    if (!renewals.has(seen)) {
      const renewal = alone(async () => held() === seen && first(seen));
      renewals.set(seen, renewal.finally(() => renewals.delete(seen)));
    }
    return renewals.get(seen);
  }

  /** Storage is slower than locks: who refreshed keeps one on what is spent until all tabs have heard. */
  const first = (seen) =>
    new Promise((resolve, reject) => {
      const work = async (lock) => {
        resolve(await (lock ? refresh : news)(seen));
        if (lock) await pause(2 * NEWS_MS);
      };
      locked(`${key} ${seen.slice(-16)}`, { ifAvailable: true }, work).catch(reject);
    });

  const news = (seen) =>
    new Promise((resolve, reject) => {
      const look = () => held() !== seen && resolve();
      addEventListener("storage", look, { signal: AbortSignal.timeout(NEWS_MS) });
      pause(NEWS_MS).then(() => held() === seen && refresh(seen)).then(resolve, reject);
      look();
    });

  async function refresh(seen) {
    const token = record().refresh;
    if (!(cookie ? SERVED.refresh : token)) return forget();
    try {
      const answer = await post("refresh", token && { refresh_token: token });
      if (record().refresh === token) keep(answer); // else there was a logout or a login meanwhile
    } catch (error) {
      if (held() !== seen) return;
      if (error.status !== 401) throw error;
      forget();
    }
  }

  /** Whether a refused request is worth another try. */
  async function overtaken(response, seen) {
    if (!seen || (response.status !== 401 && response.status !== 403)) return false;
    const { code } = await response.clone().json().catch(() => ({}));
    if (response.status === 401 && RENEWABLE.includes(code)) await renew(seen);
    else if (code !== "cross_site") return false; // the cookies may have changed under the request
    return held() && held() !== seen;
  }

  /** As the browser's own, but to trusted origins with the session, kept fresh. */
  async function fetch(input, init) {
    const asked = input instanceof Request ? input : new Request(input);
    const given = new Headers(init?.headers ?? asked.headers);
    if (!trusted.has(new URL(asked.url).origin) || given.has("authorization")) return globalThis.fetch(input, init);
    const method = (init?.method ?? asked.method).toUpperCase();
    const credentials = cookie && asked.credentials !== "omit" ? "include" : asked.credentials;
    const send = () => {
      const headers = new Headers(given);
      for (const [name, value] of Object.entries(proof(method))) headers.set(name, value);
      return globalThis.fetch(asked.clone(), { credentials, ...init, headers });
    };
    if (isDue()) await Promise.race([renew(held()).catch(() => {}), pause(AHEAD_MS)]);
    const seen = held();
    const response = await send();
    const again = (await overtaken(response, seen)) && !(init?.body instanceof ReadableStream);
    return again ? send() : response;
  }

  /** `{email, password}` or `{username, password}`. */
  const login = (credentials) =>
    alone(async () => {
      keep(await post("login", credentials, { tries: 1 }), Date.now());
      if (!held()) throw new Error(`No ${cookie ? "cookie" : "token"} came from ${base}: another transport or host?`);
      tell("login");
    });

  /** In all tabs. Rejects if the issuer could not be told. */
  async function logout() {
    if (!held()) return;
    const { refresh: token } = record();
    const how = token ? {} : { bearer: proof("POST") };
    if (!cookie) forget(); // whatever the network says
    await alone(() => post("logout", token && { refresh_token: token }, how)).catch((error) => {
      if (error.status !== 401 && error.status !== 404) throw error; // over, or not a thing here
    });
    if (cookie) forget();
  }

  /** Who is logged in, as GET me says; null: nobody. */
  async function me() {
    const response = held() && (await fetch(new URL("me", base)));
    if (!response || response.status === 401) return null;
    const answer = await read(response);
    if (response.ok) return answer;
    throw new AuthError(response, answer);
  }

  globalThis.addEventListener("storage", ({ storageArea, key: name, oldValue, newValue }) => {
    if (storageArea !== store || (name !== null && name !== key)) return;
    if (name ? !newValue : !held()) tell("logout");
    else if (parsed(oldValue).since !== parsed(newValue).since) tell("login");
  });

  const session = Object.assign(new EventTarget(), { login, logout, fetch, me, loggedIn: () => Boolean(held()) });
  return session;
}

const pause = (ms) => new Promise((resume) => setTimeout(resume, ms));

/** An answer that is cut short is a lost one. */
async function read(response) {
  if (response.status === 204) return {};
  return response.json().catch((error) => {
    if (response.ok) throw error;
    return {};
  });
}

function parsed(text) {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}

function lifetime(token) {
  const { exp, iat } = JSON.parse(atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/")));
  return exp - iat;
}

function shared() {
  try {
    return localStorage;
  } catch {
    return null; // nothing may be kept
  }
}

function memory() {
  let kept = null;
  return { getItem: () => kept, setItem: (_key, text) => (kept = text), removeItem: () => (kept = null) };
}

export const session = createSession();
export const { login, logout, fetch, me, loggedIn } = session;

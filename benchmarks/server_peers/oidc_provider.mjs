// npm oidc-provider, the refresh token grant with rotation: `node oidc_provider.mjs PORT COUNT` listens, then prints COUNT
// refresh tokens as JSON. In memory, or in Valkey/Redis where PEER_REDIS names one. An answer carries an ID token signed
// with ES256: one signature a refresh, as everywhere here.

import { generateKeyPairSync } from 'node:crypto';
import Redis from 'ioredis';
import Provider from 'oidc-provider';

const [port, count] = process.argv.slice(2).map(Number);
const CLIENT = 'bench';
const SCOPE = 'openid offline_access';
const USED_ONCE = new Set(['AuthorizationCode', 'RefreshToken', 'DeviceCode', 'BackchannelAuthenticationRequest']);
const OF_A_GRANT = new Set(['AccessToken', ...USED_ONCE]);

/** The adapter that the package's own example shows: a hash for what is used once, a string for the rest. */
class RedisAdapter {
  static client = process.env.PEER_REDIS && new Redis(process.env.PEER_REDIS, { keyPrefix: 'oidc:' });

  constructor(name) {
    this.name = name;
    this.client = RedisAdapter.client;
  }

  async upsert(id, payload, expiresIn) {
    const key = this.key(id);
    const all = this.client.multi();
    const text = JSON.stringify(payload);
    if (USED_ONCE.has(this.name)) all.hset(key, { payload: text });
    else all.set(key, text);
    if (expiresIn) all.expire(key, expiresIn);
    if (OF_A_GRANT.has(this.name) && payload.grantId) {
      const grant = `grant:${payload.grantId}`;
      all.rpush(grant, key);
      if (expiresIn > (await this.client.ttl(grant))) all.expire(grant, expiresIn);
    }
    await all.exec();
  }

  async find(id) {
    if (!USED_ONCE.has(this.name)) return JSON.parse((await this.client.get(this.key(id))) ?? 'null') ?? undefined;
    const { payload, ...rest } = await this.client.hgetall(this.key(id));
    return payload && { ...rest, ...JSON.parse(payload) };
  }

  async consume(id) {
    await this.client.hset(this.key(id), 'consumed', Math.floor(Date.now() / 1000));
  }

  async destroy(id) {
    await this.client.del(this.key(id));
  }

  async revokeByGrantId(grantId) {
    const grant = `grant:${grantId}`;
    await this.client.del(...(await this.client.lrange(grant, 0, -1)), grant);
  }

  key(id) {
    return `${this.name}:${id}`;
  }
}

const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });
const provider = new Provider(`http://127.0.0.1:${port}`, {
  adapter: RedisAdapter.client && RedisAdapter,
  clients: [
    {
      client_id: CLIENT,
      token_endpoint_auth_method: 'none',
      grant_types: ['authorization_code', 'refresh_token'],
      redirect_uris: ['https://client.example.com/callback'],
      id_token_signed_response_alg: 'ES256',
    },
  ],
  cookies: { keys: ['of no consequence here'] },
  features: { devInteractions: { enabled: false } },
  findAccount: (_context, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
  jwks: { keys: [{ ...key, alg: 'ES256', kid: 'bench', use: 'sig' }] },
  rotateRefreshToken: true,
});

/** What a user who has logged in at this client holds. */
async function signedIn(accountId, client) {
  const grant = new provider.Grant({ accountId, clientId: CLIENT });
  grant.addOIDCScope(SCOPE);
  const token = new provider.RefreshToken({
    accountId,
    client,
    grantId: await grant.save(),
    gty: 'authorization_code',
    scope: SCOPE,
    claims: {},
    authTime: Math.floor(Date.now() / 1000),
    expiresWithSession: false,
    iiat: Math.floor(Date.now() / 1000),
    rotations: 0,
  });
  return token.save();
}

provider.listen(port, '127.0.0.1', async () => {
  const client = await provider.Client.find(CLIENT);
  const tokens = await Promise.all(Array.from({ length: count }, (_, at) => signedIn(`user-${at}`, client)));
  console.log(JSON.stringify(tokens));
});

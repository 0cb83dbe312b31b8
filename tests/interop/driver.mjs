// Tokens between jotgate and npm jose: one JSON request on standard input, one JSON answer on standard output.
//
//   request   {now, issuer, audience, verify: [{alg, jwk, token}], sign: [{alg, kid, pkcs8 | secret, claims}]}
//   answer    {verified: [{sub} | {error}], signed: [token | null]}
import { importJWK, importPKCS8, jwtVerify, SignJWT } from 'jose'

let text = ''
for await (const chunk of process.stdin) text += chunk
const request = JSON.parse(text)

async function verified({ alg, jwk, token }) {
  try {
    const options = {
      algorithms: [alg],
      issuer: request.issuer,
      audience: request.audience,
      typ: 'at+jwt',
      requiredClaims: ['exp', 'iat', 'sub'],
      currentDate: new Date(request.now * 1000),
    }
    const { payload } = await jwtVerify(token, await importJWK(jwk, alg), options)
    return { sub: payload.sub }
  } catch (error) {
    return { error: String(error.code ?? error) }
  }
}

async function signed({ alg, kid, pkcs8, secret, claims }) {
  const key = pkcs8 ? await importPKCS8(pkcs8, alg) : Buffer.from(secret, 'base64url')
  return new SignJWT(claims).setProtectedHeader({ alg, kid, typ: 'at+jwt' }).sign(key)
}

const answer = { verified: [], signed: [] }
for (const each of request.verify) answer.verified.push(await verified(each))
for (const each of request.sign) answer.signed.push(await signed(each))
process.stdout.write(JSON.stringify(answer))

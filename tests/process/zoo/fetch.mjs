// Node's fetch and axios: a string is text/plain or a form, an object JSON; params as they come; the error branch shows people what it finds.
import axios from 'axios'
import { createHmac } from 'node:crypto'

const url = process.env.ZOO_URL
let number = 0
const check = (name, good, answer) => {
  number += 1
  const detail = answer instanceof Object ? JSON.stringify(answer.data ?? answer) : answer
  console.log(good ? `ok ${number} - ${name}` : `not ok ${number} - ${name}: ${String(detail).slice(0, 300)}`)
}
const read = async (promise) => {
  const answer = await promise
  const text = await answer.text()
  try { return { status: answer.status, data: JSON.parse(text), headers: answer.headers } } catch { return { status: answer.status, data: text, headers: answer.headers } }
}
const post = (path, body, more = {}) => read(fetch(url + path, { method: 'POST', body, ...more }))

// --- dbms, by fetch: a string is text/plain;charset=UTF-8
let r = await post('/user/', JSON.stringify({ email: '', username: 'fetch', password: 'correct horse', confirm: 'correct horse' }))
check('dbms: register under text/plain', r.status === 201, r)
r = await read(fetch(`${url}/login/?username=fetch&password=correct+horse`))
check('dbms: log in', r.data.token, r)
let token = r.data.token
r = await read(fetch(`${url}/user/fetch/?token=${token}`, { method: 'PUT', body: JSON.stringify({ email: 'f@example.com', password: '', token }) }))
check('dbms: update with a blank password', r.status === 200, r)
check('dbms: which has changed nothing', (await read(fetch(`${url}/login?username=fetch&password=correct+horse`))).status === 200)
r = await read(fetch(`${url}/user/fetch?token=${token}&token=${token}`))
check('dbms: a token given twice is refused by name', r.status === 400 && r.data.errors[0].kind === 'repeated', r)
r = await post('/user', JSON.stringify({ username: 'fetch' }))
check('dbms: problem details name the field', JSON.stringify(r.data.errors) === '[{"field":"password","kind":"missing"}]', r)

// --- sso, by axios: one instance, an interceptor that believes `code`, an error branch that shows `message`
const shown = []
const sso = axios.create({ baseURL: url, headers: { token: 'default' } })
sso.interceptors.response.use(
  (answer) => { if (answer.data.code !== 'OK') shown.push(answer.data.message); return answer.data },
  (error) => { shown.push(error.response ? error.response.data.message : error.message); return {} },
)
check('sso: register', (await sso.post('/v1/user', { username: 'axios', password: '2', remember: undefined })).code === 'OK', shown)
await sso.post('/v1/user/', { username: 'axios', password: '2' })
check('sso: a taken name is shown', shown.pop() === '用户已存在', shown)
await sso.post('/v1/login', { username: 'axios', password: '' })
check('sso: a blank password is shown', shown.pop() === '缺少password', shown)
let data = await sso.post('/v1/login/', JSON.stringify({ username: 'axios', password: '2' }), { headers: { 'Content-Type': 'application/x-www-form-urlencoded' } })
check('sso: JSON under the label of a form', data.code === 'OK', shown)
sso.defaults.headers.token = data.data
check('sso: auth', (await sso.get('/v1/auth', { params: { _: Date.now() } })).message === '认证成功，用户已登录', shown)
check('sso: null and empty parameters', (await sso.get('/v1/user/list', { params: { page: null, size: '' } })).code === 'OK', shown)
await sso.put('/v1/user', { username: 'x'.repeat(65), password: 'y' })
check('sso: too long, for people', shown.pop() === 'username不能超过64个字符', shown)
await sso.put('/v1/user', { username: 'axios', password: { $ne: 1 } })
check('sso: no text, for people', shown.pop() === 'password必须是文本', shown)
check('sso: log out', (await sso.get('/v1/logout/')).message === '用户退出成功', shown)
await sso.get('/v1/auth')
check('sso: a dead token is shown', shown.pop() === 'token已失效', shown)

// --- signed
const signed = (action, params, path = '/openapi/user') => {
  const expires = Math.floor(Date.now() / 1000) + 300
  const signature = createHmac('sha1', process.env.ZOO_ACCESSKEY).update(`GET\n\n\n${expires}\n${path}${action}`).digest('base64')
  return axios.get(url + path, { params: { action, ...params, accessid: process.env.ZOO_ACCESSID, expires, signature }, validateStatus: () => true })
}
r = await signed('register', { userid: 'axiossigned', password: '123456', alias: '', property: null })
check('signed: register', r.data.token, r)
token = r.data.token
r = await signed('update', { userid: '', token, password: '', alias: '别名' }, '/openapi/user/')
check('signed: update with an empty userid and password', r.data.userid === 'axiossigned', r)
r = await signed('login', { userid: 'axiossigned', password: '123456' })
check('signed: log in', r.data.alias === '别名', r)
r = await signed('logout', { userid: 'someone', token })
check('signed: a userid that is not the owner', r.data.errno === 1004, r)

// --- annotation, by fetch: URLSearchParams, FormData, the last cookie alone
const form = (values) => { const f = new FormData(); for (const [k, v] of Object.entries(values)) f.append(k, v); return f }
r = await post('/user/register', form({ user_id: 'fetchann', user_name: '张三', password: 'correct horse' }))
check('annotation: FormData', r.data.ret === 0, r)
let cookie = r.headers.getSetCookie().at(-1)?.split(';')[0] ?? ''
check('annotation: the last cookie', cookie.startsWith('sessionid='), cookie)
r = await post('/user/signin/', new URLSearchParams({ user_id: 'fetchann', password: 'correct horse', remember: 'on' }))
check('annotation: URLSearchParams', r.data.ret === 0, r)
cookie = r.headers.getSetCookie().at(-1)?.split(';')[0] ?? ''
const other = (method, body, label) => read(fetch(`${url}/user/other/`, { method, body: JSON.stringify(body), headers: { cookie, ...(label ? { 'Content-Type': label } : {}) } }))
check('annotation: change the name', (await other('POST', { action: 'change_name', user_name: '李四', user_id: null })).data.ret === 0)
check('annotation: with a label that is not well-formed', (await other('PUT', { action: 'change_name', user_name: '王五' }, 'application/json;charsets: utf-8')).data.ret === 0)
r = await read(fetch(`${url}/user/other?action=get_friends&id=`, { headers: { cookie } }))
check('annotation: friends', r.data.sum === 0, r)
r = await other('PUT', { action: 'project_invite', project_id: 424242, friend_id: '' })
check('annotation: a project that is not there', r.status === 200 && r.data.msg === 'id不存在', r)
r = await other('PUT', { action: 'friend_apply' })
check('annotation: a missing id, on 200', r.status === 200 && r.data.ret === -400 && r.data.msg === '缺少id', r)
r = await post('/user/change_pasword/', new URLSearchParams({ cur_password: 'correct horse', new_password: '', user_id: 'fetchann' }), { headers: { cookie } })
check('annotation: a blank new password is refused', r.data.ret === -400, r)
r = await post('/user/logout/', '{}', { headers: { cookie } })
check('annotation: an address that never was', r.status === 405 && r.data.ret === -405, r)

// --- indexy, by axios: the error branch of a page that shows payload or message
const users = axios.create({ baseURL: `${url}/indexy-api/api/v1/users` })
const told = async (promise) => { try { return (await promise).data } catch (error) { return error.response ? error.response.data : { message: error.message } } }
data = await told(users.post('/register/', { username: '13712345678', password: 'xxxxxxxx', nickName: null }))
check('indexy: register', data.payload === true, data)
data = await told(users.post('/login', { username: '13712345678', password: 'wrong' }))
check('indexy: the text as payload and message', data.payload === '用户名或密码错误' && data.message === data.payload, data)
data = await told(users.get('/', { params: { page: '', size: '', order: '' } }))
check('indexy: empty parameters', data.payload?.count >= 1, data)
data = await told(users.get('', { params: { page: 0, size: 10, order: 'username' } }))
check('indexy: an order without direction', data.payload?.rows.length >= 1, data)
data = await told(users.get('', { params: { size: 'many' } }))
check('indexy: what is no number', data.message === 'size必须是整数', data)
data = await told(users.post('/', { username: 'axios2', password: 'xxxxxxxx', email: 'no address' }))
check('indexy: an address of the wrong shape', data.message === 'email格式不正确', data)
data = await told(users.put('/1', {}))
check('indexy: nothing to change', data.message && !/[a-z]{6}/.test(data.message), data)
data = await told(users.get('/99999'))
check('indexy: no such user', data.message === '用户不存在', data)
console.log(`1..${number}`)

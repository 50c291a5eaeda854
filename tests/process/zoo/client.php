<?php
// PHP with curl and with streams: arrays as multipart, Chinese as typed in URLs, json_encode, bodies without a label.
$url = getenv('ZOO_URL');
$number = 0;

function check($name, $good, $answer = '') {
    global $number;
    $number++;
    $text = is_string($answer) ? $answer : json_encode($answer, JSON_UNESCAPED_UNICODE);
    echo $good ? "ok $number - $name\n" : "not ok $number - $name: " . substr($text, 0, 300) . "\n";
}

function call($method, $path, $data = null, $headers = [], &$cookie = null) {
    $ch = curl_init($GLOBALS['url'] . $path);
    curl_setopt($ch, CURLOPT_RETURNTRANSFER, true);
    curl_setopt($ch, CURLOPT_CUSTOMREQUEST, $method);
    curl_setopt($ch, CURLOPT_HTTPHEADER, $headers);
    if ($data !== null) curl_setopt($ch, CURLOPT_POSTFIELDS, $data);
    curl_setopt($ch, CURLOPT_HEADERFUNCTION, function ($ch, $line) use (&$cookie) {
        // the last one wins
        if (stripos($line, 'Set-Cookie:') === 0) $cookie = trim(explode(';', substr($line, 11))[0]);
        return strlen($line);
    });
    $answer = curl_exec($ch);
    return ['status' => curl_getinfo($ch, CURLINFO_HTTP_CODE), 'text' => $answer, 'data' => json_decode($answer, true)];
}

// --- dbms
$r = call('POST', '/user/', json_encode(['email' => 'php@example.com', 'username' => '李四', 'password' => '密码密码密码密码']));
check('dbms: register', $r['status'] == 201, $r);
$r = call('GET', '/login?username=李四&password=密码密码密码密码');
check('dbms: Chinese as typed in a query', isset($r['data']['token']), $r);
$token = $r['data']['token'] ?? '';
$r = call('GET', "/user/李四?token=$token");
check('dbms: Chinese as typed in a path', ($r['data']['username'] ?? '') === '李四', $r);
$r = call('PUT', "/user/李四/?token=$token", json_encode($r['data']));
check('dbms: the whole object', isset($r['data']['id']), $r);
$stream = stream_context_create(['http' => ['protocol_version' => 1.0, 'ignore_errors' => true]]);
$r = json_decode(file_get_contents("$url/valid_login/?username=" . urlencode('李四') . "&token=$token", false, $stream), true);
check('dbms: valid_login over HTTP/1.0', ($r['token'] ?? '') !== '', $r);

// --- sso: file_get_contents says nothing but false where the status is no success
$sso = function ($path, $body, $token, $method = 'POST') use ($url) {
    $context = stream_context_create(['http' => [
        'method' => $method, 'header' => "token: $token\r\nContent-type: application/x-www-form-urlencoded\r\n",
        'content' => $body === null ? '' : json_encode($body),
    ]]);
    return json_decode(@file_get_contents($url . $path, false, $context), true);
};
$r = $sso('/v1/user', ['username' => 'php', 'password' => '2', 'password2' => '2'], 'default');
check('sso: register', ($r['code'] ?? '') === 'OK', $r);
$r = $sso('/v1/login/', ['username' => 'php', 'password' => 'nope'], 'default');
check('sso: a wrong password is read', ($r['message'] ?? '') === '用户名或密码错误', $r);
$r = $sso('/v1/login', ['username' => 'php', 'password' => '2'], 'default');
check('sso: log in', ($r['code'] ?? '') === 'OK', $r);
$token = $r['data'] ?? 'x';
$r = $sso('/v1/auth', null, $token, 'GET');
check('sso: auth', ($r['code'] ?? '') === 'OK', $r);
$r = $sso('/v1/user/' . ($r['data'] ?? '1'), null, $token, 'GET');
check('sso: by uid', ($r['data']['username'] ?? '') === 'php', $r);
$r = $sso('/v1/user', $r['data'] ?? [], $token, 'PUT');
check('sso: what was read is sent back', ($r['code'] ?? '') === 'OK', $r);
$r = $sso('/v1/auth', null, 'garbage', 'GET');
check('sso: an unreadable token is read', ($r['message'] ?? '') === 'token解析失败', $r);

// --- signed
$signed = function ($action, $parameters, $path = '/openapi/user') {
    $expires = time() + 600;
    $signature = base64_encode(hash_hmac('sha1', "GET\n\n\n$expires\n$path$action", getenv('ZOO_ACCESSKEY'), true));
    $query = http_build_query(['action' => $action] + $parameters + ['accessid' => getenv('ZOO_ACCESSID'), 'expires' => $expires, 'signature' => $signature]);
    return call('GET', "$path?$query", null, ['Content-Type: application/json;charsets: utf-8']);
};
$r = $signed('register', ['userid' => 'phpsigned', 'password' => 123456, 'domain' => '', 'alias' => '别名', 'property' => null]);
check('signed: register', isset($r['data']['token']), $r);
$r = $signed('login', ['userid' => 'phpsigned', 'password' => 123456], '/openapi/user/');
check('signed: log in', ($r['data']['alias'] ?? '') === '别名', $r);
$r = $signed('dance', []);
check('signed: an unknown action', ($r['data']['errstr'] ?? '') === '请求参数错误：action不正确', $r);

// --- annotation: an array is multipart, and it is long enough for Expect: 100-continue
$r = call('POST', '/user/register', ['user_id' => 'phpann', 'user_name' => '张三', 'password' => 'correct horse', 'padding' => str_repeat('x', 2000)], [], $cookie);
check('annotation: an array', ($r['data']['ret'] ?? '') === 0, $r);
check('annotation: the last cookie', strpos($cookie ?? '', 'sessionid=') === 0, $cookie);
$r = call('POST', '/user/signin', http_build_query(['user_id' => 'phpann', 'password' => 'correct horse']), ["Cookie: $cookie"]);
check('annotation: signed in already', ($r['data']['ret'] ?? '') === -2, $r);
$r = call('GET', '/user/other', json_encode(['action' => 'get_friends']), ["Cookie: $cookie"]);
check('annotation: GET with a body', ($r['data']['friends'] ?? null) === [], $r);
$r = call('POST', '/user/other', json_encode(['action' => 'change_name', 'user_name' => '王五', 'user_id' => 'phpann']), ["Cookie: $cookie"]);
check('annotation: JSON under the label of a form', ($r['data']['ret'] ?? '') === 0, $r);
$r = call('POST', '/user/change_password', ['cur_password' => 'wrong', 'new_password' => 'battery staple'], ["Cookie: $cookie"]);
check('annotation: a wrong password', ($r['data']['msg'] ?? '') === '当前密码错误', $r);

// --- indexy
$users = '/indexy-api/api/v1/users';
$r = call('POST', "$users/register/", json_encode(['username' => '教授', 'password' => 'xxxxxxxx', 'nickName' => '教授']), ['Content-Type: text/html; charset=utf-8']);
check('indexy: register', ($r['data']['payload'] ?? '') === true, $r);
$r = call('POST', "$users/login", json_encode(['username' => '教授', 'password' => 'xxxxxxxx']), [], $cookie);
check('indexy: log in', ($r['data']['payload'] ?? '') === 1 && strpos($cookie, 'indexy_session=') === 0, [$r, $cookie]);
$r = call('GET', "$users/?page=0&size=&order=id,desc");
check('indexy: list', isset($r['data']['payload']['rows'][0]['id']), $r);
$id = $r['data']['payload']['rows'][0]['id'] ?? 0;
$r = call('PUT', "$users/$id", json_encode($r['data']['payload']['rows'][0] ?? []));
check('indexy: what was read is sent back', ($r['data']['payload'] ?? '') === 1, $r);
$r = call('PUT', "$users/$id/password", json_encode(['oldPassword' => 'xxxxxxxx', 'newPassword' => '']));
check('indexy: no new password', $r['status'] === 400 && ($r['data']['message'] ?? '') === ($r['data']['payload'] ?? ' '), $r);
echo "1..$number\n";

// HttpURLConnection, as on Android: GET with a body becomes POST, a body without a label is a form, statuses of 400 and more throw,
// and getHeaderField returns the last cookie alone.
import java.io.*;
import java.net.*;
import java.nio.charset.StandardCharsets;
import java.util.*;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

public class Client {
    static final String URL = System.getenv("ZOO_URL");
    static int number = 0;
    static String cookie = "";

    static void check(String name, boolean good, String answer) {
        number++;
        System.out.println(good ? "ok " + number + " - " + name : "not ok " + number + " - " + name + ": " + answer);
    }

    static void has(String name, String expected, String answer) {
        check(name, answer.contains(expected), "no " + expected + " in " + answer);
    }

    static String call(String method, String path, String body, String... headers) {
        try {
            HttpURLConnection connection = (HttpURLConnection) new URL(URL + path).openConnection();
            connection.setInstanceFollowRedirects(false);
            connection.setRequestMethod(method);
            for (int i = 0; i < headers.length; i += 2) connection.addRequestProperty(headers[i], headers[i + 1]);
            if (body != null) {
                connection.setDoOutput(true); // which turns GET into POST
                try (OutputStream out = connection.getOutputStream()) { out.write(body.getBytes(StandardCharsets.UTF_8)); }
            }
            InputStream in = connection.getInputStream(); // which throws at 400 and more
            ByteArrayOutputStream text = new ByteArrayOutputStream();
            in.transferTo(text);
            String set = connection.getHeaderField("Set-Cookie");
            if (set != null) cookie = set.split(";")[0];
            return text.toString(StandardCharsets.UTF_8);
        } catch (IOException failure) {
            return "thrown: " + failure;
        }
    }

    static String field(String name, String json) {
        int at = json.indexOf("\"" + name + "\":\"");
        if (at < 0) return "";
        int from = at + name.length() + 4;
        return json.substring(from, json.indexOf('"', from));
    }

    static String encode(String text) { return URLEncoder.encode(text, StandardCharsets.UTF_8); }

    static String signed(String action, String query, String path) throws Exception {
        long expires = System.currentTimeMillis() / 1000 + 3600;
        Mac mac = Mac.getInstance("HmacSHA1");
        mac.init(new SecretKeySpec(System.getenv("ZOO_ACCESSKEY").getBytes(), "HmacSHA1"));
        byte[] digest = mac.doFinal(("GET\n\n\n" + expires + "\n" + path + action).getBytes());
        String signature = encode(Base64.getEncoder().encodeToString(digest));
        return call("GET", path + "?action=" + action + "&" + query + "&accessid=" + System.getenv("ZOO_ACCESSID")
            + "&expires=" + expires + "&signature=" + signature, null);
    }

    public static void main(String[] args) throws Exception {
        System.setOut(new PrintStream(new FileOutputStream(FileDescriptor.out), true, "UTF-8"));
        // --- dbms
        has("dbms: register without a label", "\"id\":", call("POST", "/user", "{\"id\":0,\"email\":null,\"username\":\"java\",\"password\":\"correct horse\"}"));
        String answer = call("GET", "/login/?username=java&password=" + encode("correct horse"), null);
        has("dbms: log in", "token", answer);
        String token = field("token", answer);
        has("dbms: find", "\"username\":\"java\"", call("GET", "/user/java/?token=" + token, null));
        has("dbms: update", "\"id\":", call("PUT", "/user/java?token=" + token, "{\"email\":\"java@example.com\",\"password\":null,\"username\":null}"));
        check("dbms: log out returns nothing", call("GET", "/logout?token=" + token, null).isEmpty(), "");

        // --- sso
        String body = "{\"username\":\"java-sso\",\"password\":\"2\"}";
        has("sso: register", "\"OK\"", call("POST", "/v1/user/", body));
        has("sso: taken", "用户已存在", call("POST", "/v1/user", body));
        answer = call("POST", "/v1/login", body, "token", "default");
        has("sso: log in", "登录成功", answer);
        token = field("data", answer);
        has("sso: again", "重复登录", call("POST", "/v1/login", body, "token", token));
        has("sso: a wrong password throws nothing", "用户名或密码错误", call("POST", "/v1/login", "{\"username\":\"java-sso\",\"password\":\"3\"}", "token", "default"));
        has("sso: auth", "认证成功", call("GET", "/v1/auth", null, "token", token));
        has("sso: out", "用户退出成功", call("GET", "/v1/Logout", null, "token", token));
        has("sso: dead", "token已失效", call("GET", "/v1/auth", null, "token", token));
        has("sso: an empty token", "无token", call("GET", "/v1/auth", null, "token", ""));

        // --- signed
        answer = signed("register", "userid=javasigned&password=123456&domain=&alias=", "/openapi/user");
        has("signed: register", "token", answer);
        token = field("token", answer);
        has("signed: update", "javasigned", signed("update", "userid=&token=" + token + "&property=" + encode("扩展"), "/openapi/user/"));
        has("signed: log in", "扩展", signed("login", "userid=javasigned&password=123456", "/openapi/user"));
        has("signed: a dead token throws nothing", "1003", signed("logout", "userid=javasigned&token=null", "/openapi/user"));

        // --- annotation
        has("annotation: register", "创建成功", call("POST", "/user/register/", "user_id=javaann&user_name=" + encode("张三") + "&password=" + encode("correct horse")));
        check("annotation: the one cookie", cookie.startsWith("sessionid="), cookie);
        String session = cookie;
        has("annotation: GET with a body, which is POST", "\"friends\":[]", call("GET", "/user/other", "{\"action\":\"get_friends\"}", "Cookie", session, "Content-Type", "application/json"));
        has("annotation: own data", "张三", call("GET", "/user/other/", null, "Cookie", session));
        has("annotation: a header for each cookie", "张三", call("GET", "/user/other", null, "Cookie", "rollbook_device=x", "Cookie", session));
        has("annotation: own data by POST", "张三", call("GET", "/user/other/", "{}", "Cookie", session));
        has("annotation: rename", "修改成功", call("POST", "/user/other", "{\"action\":\"change_name\",\"user_name\":\"李四\",\"user_id\":\"javaann\"}", "Cookie", session));
        has("annotation: apply", "邀请已发送", call("PUT", "/user/other", "{\"action\":\"friend_apply\",\"id\":\"owner \"}", "Cookie", session));
        has("annotation: no such id", "id不存在", call("PUT", "/user/other", "{\"action\":\"friend_apply\",\"id\":42}", "Cookie", session));
        has("annotation: no such project", "id不存在", call("PUT", "/user/other", "{\"action\":\"project_invite\",\"project_id\":\"三国\"}", "Cookie", session));
        has("annotation: a password", "密码修改成功", call("POST", "/user/change_pasword", "cur_password=" + encode("correct horse") + "&new_password=battery&user_id=javaann", "Cookie", session));
        has("annotation: out", "登出成功", call("POST", "/user/other", "{\"action\":\"logout\"}", "Cookie", session));
        has("annotation: a second time", "用户未登录", call("PUT", "/user/other", "{\"action\":\"logout\"}", "Cookie", session));
        has("annotation: nothing sent", "缺少", call("POST", "/user/signin", ""));

        // --- indexy
        String users = "/indexy-api/api/v1/users";
        has("indexy: register", "true", call("POST", users + "/register", "{\"username\":\"13912341234\",\"password\":\"xxxxxxxx\",\"nickName\":null,\"id\":null}"));
        has("indexy: log in", "\"payload\":1", call("POST", users + "/login", "{\"username\":\"13912341234\",\"password\":\"xxxxxxxx\"}", "Content-Type", "text/html; charset=utf-8"));
        check("indexy: the one cookie", cookie.startsWith("indexy_session="), cookie);
        has("indexy: list", "\"count\":", call("GET", users + "?page=&size=&order=", null));
        System.out.println("1.." + number);
    }
}

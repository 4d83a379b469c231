#include <evercert/error.hpp>
#include <evercert/http.hpp>

#include "catch.hpp"
#include "http/http1.hpp"
#include "http1_support.hpp"

using namespace evercert;

TEST_CASE("field names compare without case") {
    fields fields;
    fields.add("Set-Cookie", "a");
    fields.add("set-cookie", "b");
    fields.add("Other", "c");
    CHECK(fields.get("SET-COOKIE") == "a");
    CHECK(fields.all("Set-Cookie") == std::vector<std::string_view>{"a", "b"});
    fields.set("SET-cookie", "d");
    CHECK(fields.all("Set-Cookie") == std::vector<std::string_view>{"d"});
    fields.set("New", "e");
    CHECK(fields.size() == 3);
    fields.erase("other");
    CHECK_FALSE(fields.has("Other"));
    CHECK(fields.get("Other").empty());
}

TEST_CASE("a target splits into path and query") {
    CHECK(request{"GET", "/a%20b?c?d"}.path() == "/a%20b");
    CHECK(request{"GET", "/a%20b?c?d"}.query() == "c?d");
    CHECK(request{"GET", "/a"}.query().empty());
}

TEST_CASE("methods are safe by their exact name") {
    CHECK(request{"HEAD", "/"}.is_safe());
    CHECK_FALSE(request{"head", "/"}.is_safe());
    CHECK_FALSE(request{"POST", "/"}.is_safe());
}

TEST_CASE("a response of a status alone says what the status means") {
    const response gone{410};
    CHECK(gone.status == 410);
    CHECK(gone.body == "Gone\n");
    CHECK(gone.fields.get("content-type") == "text/plain; charset=utf-8");
}

TEST_CASE("a response head has the fields that are the server's, once") {
    response message{"hello"};
    message.fields.add("content-length", "7");
    message.fields.add("Transfer-Encoding", "chunked");
    message.fields.add("A", "b");
    CHECK(
        encode_response_head(message, true, wall_time{std::chrono::seconds{784111777}}) ==
        "HTTP/1.1 200 OK\r\n"
        "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        "A: b\r\n"
        "Content-Length: 5\r\n"
        "\r\n");
    CHECK(encode_response_head(message, false, wall_time{}).ends_with("Connection: close\r\n\r\n"));
    message.status = 204;
    CHECK(encode_response_head(message, true, wall_time{}).find("Content-Length") == std::string::npos);
}

TEST_CASE("a clock may show any time that there is") {
    CHECK(http_date(wall_time::min()) == "Tue, 21 Sep 1677 00:12:43 GMT");
    CHECK(http_date(wall_time{}) == "Thu, 01 Jan 1970 00:00:00 GMT");
    CHECK(http_date(wall_time::max()) == "Fri, 11 Apr 2262 23:47:16 GMT");
}

TEST_CASE("a field that would split the message is not sent") {
    const std::vector<std::string> values = {"a\r\nB: c", "a\nb", "a\rb", std::string{"a\0b", 3}, "a\x7f"};
    for (const auto& bad : values) {
        response message{"hello"};
        message.fields.add("Location", bad);
        CHECK_THROWS_AS(encode_response_head(message, true, wall_time{}), error);
    }
    response name{"hello"};
    name.fields.add("A: b\r\nC", "d");
    CHECK_THROWS_AS(encode_response_head(name, true, wall_time{}), error);
    CHECK_THROWS_AS(encode_response_head(response{99}, true, wall_time{}), error);
    CHECK_THROWS_AS(encode_request(request{"GET\r\n", ""}, "/", "a.test"), error);
    CHECK_THROWS_AS(encode_request(request{}, "/ HTTP/1.1\r\n", "a.test"), error);
}

TEST_CASE("what the encoder writes the decoder reads") {
    request message{"POST", ""};
    message.fields.add("Content-Type", "application/jose+json");
    message.body = "{}";
    const auto wire = encode_request(message, "/acme", "ca.test:14000");
    const auto decoded = test::decode_request(wire, 1);
    CHECK(decoded.complete);
    CHECK(decoded.start == "POST /acme at ca.test");
    CHECK(decoded.body == "{}");
    CHECK(decoded.taken == wire.size());

    const response answer{201, "made"};
    const auto read = test::decode_response(encode_response_head(answer, true, wall_time{}) + answer.body, 1);
    CHECK(read.complete);
    CHECK(read.start == "201");
    CHECK(read.body == "made");
}

TEST_CASE("a POST without a body says that its length is 0") {
    CHECK(encode_request(request{"POST", ""}, "/", "a.test").find("Content-Length: 0\r\n") != std::string::npos);
    CHECK(encode_request(request{"GET", ""}, "/", "a.test") == "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
}

#include <string>
#include <vector>

#include "catch.hpp"
#include "http1_support.hpp"

using namespace evercert;
using namespace test;

namespace {

const std::string get = "GET /a?b=c HTTP/1.1\r\nHost: A.test:8080\r\nAccept: */*\r\n\r\n";

// Whatever the pieces, the outcome is that of the whole.
decoded request_of(const std::string& bytes) {
    const auto whole = decode_request(bytes, bytes.size());
    for (const std::size_t piece : {1, 2, 3, 5, 64})
        CHECK(decode_request(bytes, piece) == whole);
    return whole;
}

decoded response_of(const std::string& bytes, bool to_head = false, bool end = false) {
    const auto whole = decode_response(bytes, bytes.size(), to_head, end);
    for (const std::size_t piece : {1, 2, 3, 5, 64})
        CHECK(decode_response(bytes, piece, to_head, end) == whole);
    return whole;
}

}  // namespace

TEST_CASE("a request is decoded by its parts, whatever pieces it comes in") {
    const auto decoded = request_of(get);
    CHECK(decoded.complete);
    CHECK(decoded.keep_alive);
    CHECK(decoded.taken == get.size());
    CHECK(decoded.start == "GET /a?b=c at a.test");
    CHECK(decoded.field_count == 2);
    CHECK(decoded.first_field.first == "Host");
    CHECK(decoded.first_field.second == "A.test:8080");
}

TEST_CASE("what follows a request is left to the caller") {
    CHECK(request_of(get + get).taken == get.size());
    const std::string post = "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\nabc";
    CHECK(request_of(post + get).taken == post.size());
    const std::string chunked =
        "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    CHECK(request_of(chunked + get).taken == chunked.size());
}

TEST_CASE("one empty line before a request is let pass and is not its start") {
    CHECK(request_of("\r\n" + get).start == "GET /a?b=c at a.test");
    request_decoder decoder{small_limits};
    decoder.feed("\r\n");
    CHECK_FALSE(decoder.started());
    decoder.feed("G");
    CHECK(decoder.started());
}

TEST_CASE("a body by length, and an empty one") {
    const auto body = request_of("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nab\r\nc");
    CHECK(body.complete);
    CHECK(body.body == "ab\r\nc");
    const auto empty = request_of("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n");
    CHECK(empty.complete);
    CHECK(empty.body.empty());
}

TEST_CASE("a chunked body is put together; its extensions and trailers are dropped") {
    const auto decoded =
        request_of("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: Chunked\r\n\r\n"
                   "3;name=\"value\"\r\nabc\r\n00a\r\n0123456789\r\n0\r\nHost: evil.test\r\nContent-Length: 3\r\n\r\n");
    CHECK(decoded.complete);
    CHECK(decoded.body == "abc0123456789");
    CHECK(decoded.start == "POST / at a.test");
    CHECK(decoded.field_count == 2);
}

TEST_CASE("a body of exactly the bound is taken") {
    const std::string body(1000, 'a');
    const std::string head = "POST / HTTP/1.1\r\nHost: a.test\r\n";
    CHECK(request_of(head + "Content-Length: 1000\r\n\r\n" + body).complete);
    CHECK(request_of(head + "Transfer-Encoding: chunked\r\n\r\n3e8\r\n" + body + "\r\n0\r\n\r\n").complete);
}

TEST_CASE("the absolute form of a target wins over Host") {
    CHECK(request_of("GET http://B.test:81/x?y HTTP/1.1\r\nHost: a.test\r\n\r\n").start == "GET /x?y at b.test");
    CHECK(request_of("GET HTTPS://b.test HTTP/1.1\r\nHost: a.test\r\n\r\n").start == "GET / at b.test");
    CHECK(request_of("GET http://[2001:DB8::1]?q HTTP/1.1\r\nHost: a.test\r\n\r\n").start == "GET /?q at 2001:db8::1");
}

TEST_CASE("the asterisk form is for OPTIONS") {
    CHECK(request_of("OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n").start == "OPTIONS * at a.test");
}

TEST_CASE("hosts: an empty one and a missing one of HTTP/1.0 are no host") {
    CHECK(request_of("GET / HTTP/1.1\r\nHost:\r\n\r\n").start == "GET / at ");
    CHECK(request_of("GET / HTTP/1.0\r\n\r\n").start == "GET / at ");
    CHECK(request_of("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n").start == "GET / at ::1");
    CHECK(request_of("GET / HTTP/1.1\r\nHost: a.test:\r\n\r\n").start == "GET / at a.test");
}

TEST_CASE("a connection persists in HTTP/1.1 unless a side closes it") {
    CHECK_FALSE(request_of("GET / HTTP/1.0\r\nHost: a.test\r\nConnection: keep-alive\r\n\r\n").keep_alive);
    CHECK_FALSE(request_of("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: x, Close\r\n\r\n").keep_alive);
    CHECK(request_of("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: closed\r\n\r\n").keep_alive);
}

TEST_CASE("100-continue is asked for by a client that will send a body") {
    const auto expects = [](const std::string& bytes) {
        request_decoder decoder{small_limits};
        decoder.feed(bytes);
        return decoder.expects_continue();
    };
    CHECK(expects("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1\r\nExpect: 100-Continue\r\n\r\n"));
    CHECK_FALSE(expects("POST / HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\n\r\n"));
    CHECK_FALSE(expects("POST / HTTP/1.0\r\nHost: a.test\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n"));
}

TEST_CASE("a response by length, chunked and until the end") {
    CHECK(response_of("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc").body == "abc");
    CHECK(response_of("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc").keep_alive);
    CHECK(response_of("HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n").body == "abc");
    const auto until_end = response_of("HTTP/1.1 200 OK\r\n\r\nabc", false, true);
    CHECK(until_end.complete);
    CHECK(until_end.body == "abc");
    CHECK_FALSE(until_end.keep_alive);
    CHECK_FALSE(response_of("HTTP/1.1 200 OK\r\n\r\nabc").complete);
}

TEST_CASE("answers that never have a body have none whatever their fields say") {
    CHECK(response_of("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", true).complete);
    CHECK(response_of("HTTP/1.1 204 No Content\r\n\r\n").complete);
    CHECK(response_of("HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n").complete);
    const auto interim = response_of("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n");
    CHECK(interim.complete);
    CHECK(interim.start == "103");
    CHECK(interim.taken == 28);
}

TEST_CASE("a response that ends early is refused") {
    for (const char* bytes :
         {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", "HTTP/1.1 200 OK\r\nA: b",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n", ""}) {
        INFO(bytes);
        const auto decoded = response_of(bytes, false, true);
        CHECK(decoded.failure != 0);
        CHECK_FALSE(decoded.complete);
    }
}

TEST_CASE("what is not a response is refused") {
    for (const char* bytes : {
             "HTTP/1.1 20 OK\r\n\r\n",
             "HTTP/1.1 2000 OK\r\n\r\n",
             "HTTP/1.1 099 Low\r\n\r\n",
             "HTTP/1.1 600 High\r\n\r\n",
             "HTTP/1.1 101 Switching Protocols\r\n\r\n",
             "HTTP/2.0 200 OK\r\n\r\n",
             "<html>\r\n\r\n",
             "200 OK\r\n\r\n",
             "HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n",
             "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
             "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
             "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
             "HTTP/1.1 200 OK\n\n",
         }) {
        INFO(bytes);
        CHECK(response_of(bytes).failure != 0);
    }
}

TEST_CASE("a body without end stops at its bound") {
    const std::string endless(5000, 'a');
    CHECK(response_of("HTTP/1.1 200 OK\r\n\r\n" + endless).failure == 413);
    CHECK(response_of("HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n").failure == 413);
    CHECK(response_of("HTTP/1.1 200 OK\r\n\r\n" + endless).body.size() == 1000);
}

#include "hostile_requests.hpp"
#include "http_server_setting.hpp"
#include "wire.hpp"

using namespace evercert;
using namespace std::chrono_literals;
using namespace http_server_test;

namespace {

/// What a server with small bounds makes of some bytes: each answer's status, and whether it closes.
struct expected {
    const char* what;
    std::string bytes;
    std::vector<int> statuses;
    bool closes = true;
};

const std::string head = "POST / HTTP/1.1\r\nHost: a.test\r\n";
const std::string next = "GET /next HTTP/1.1\r\nHost: a.test\r\n\r\n";

// The section is RFC 9112's unless it says otherwise. In each of these a byte is read by the wrong message, or is not.
const std::vector<expected> sequences = {
    {"6.3: a body that looks like a request is a body",
     head + "Content-Length: 36\r\n\r\n" + next + next,
     {200, 200},
     false},
    {"9.3.2: requests one after the other", next + next + next, {200, 200, 200}, false},
    {"9.3.2: garbage after a request", next + "garbage\r\n\r\n", {200, 400}},
    {"9.3.2: a TLS record after a request", next + std::string{"\x16\x03\x01\x02\x00\x01", 6}, {200, 400}},
    {"9.3.2: NUL after a request", next + test::nul(), {200, 400}},
    {"2.2: an empty line between two requests", next + "\r\n" + next, {200, 200}, false},
    {"2.2: two empty lines between two requests", next + "\r\n\r\n" + next, {200, 400}},
    {"6.3: a body longer than its length", head + "Content-Length: 3\r\n\r\nabcdef\r\n\r\n", {200, 400}},
    {"6.3: a body without a length is the next request", head + "\r\nabc\r\n\r\n", {200, 400}},
    {"6.1: two framings, and a smuggled request",
     head + "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + next,
     {400}},
    {"6.1: CL.TE by a tab", head + "Content-Length: 6\r\nTransfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n" + next, {400}},
    {"6.1: TE.TE, the second is hidden",
     head + "Transfer-Encoding: chunked\r\nTransfer-encoding: cow\r\n\r\n0\r\n\r\n" + next,
     {400}},
    {"6.1: TE with a trailing comma", head + "Transfer-Encoding: chunked,\r\n\r\n0\r\n\r\n" + next, {400}},
    {"6.1: TE with a leading comma", head + "Transfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n" + next, {501}},
    {"5.1: TE behind a space", head + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + next, {400}},
    {"5.1: TE behind NUL", head + "Transfer-Encoding" + test::nul() + ": chunked\r\n\r\n0\r\n\r\n" + next, {400}},
    {"5.1: TE with an underscore is another field",
     head + "Transfer_Encoding: chunked\r\n\r\n" + next,
     {200, 200},
     false},
    {"5.2: TE that is folded", head + "X: y\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + next, {400}},
    {"2.2: TE behind a bare LF", head + "X: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + next, {400}},
    {"2.2: TE behind a bare CR", head + "X: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + next, {400}},
    {"7.1: chunks, and the next request",
     head + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" + next,
     {200, 200},
     false},
    {"7.1: upper case, zeros in front",
     head + "Transfer-Encoding: CHUNKED\r\n\r\n0003\r\nabc\r\n000\r\n\r\n" + next,
     {200, 200},
     false},
    {"7.1: a last chunk with an extension",
     head + "Transfer-Encoding: chunked\r\n\r\n0;a=b\r\n\r\n" + next,
     {200, 200},
     false},
    {"7.1: a chunk that is too short", head + "Transfer-Encoding: chunked\r\n\r\n3\r\nab\r\n0\r\n\r\n" + next, {400}},
    {"7.1: no last chunk", head + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", {400}},
    {"7.1: more than the bound",
     head + "Transfer-Encoding: chunked\r\n\r\n3e9\r\n" + std::string(1001, 'a') + "\r\n0\r\n\r\n",
     {413}},
    {"7.1: more than the bound, in chunks",
     head + "Transfer-Encoding: chunked\r\n\r\n1f4\r\n" + std::string(500, 'a') + "\r\n1f5\r\n" +
         std::string(501, 'a') + "\r\n0\r\n\r\n",
     {413}},
    {"7.1.2: a trailer is no field of the next request",
     head + "Transfer-Encoding: chunked\r\n\r\n0\r\nHost: b.test\r\n\r\n" + next,
     {200, 200},
     false},
    {"7.1.2: a framing in the trailer changes nothing",
     head + "Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 100\r\n\r\n" + next,
     {200, 200},
     false},
    {"6.3: a length that does not come", head + "Content-Length: 10\r\n\r\nabc", {400}},
    {"9.6: Connection: close, and a request that is not answered",
     "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n" + next,
     {200}},
    {"9.6: close in a list", "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: a, close ,b\r\n\r\n" + next, {200}},
    {"9.3: HTTP/1.0 is not kept", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + next, {200}},
    {"3.2: HTTP/1.0 without Host", "GET / HTTP/1.0\r\n\r\n", {200}},
    {"3.2.2: the absolute form wins over Host", "GET http://b.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n", {200}, false},
    {"3.2.4: OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n", {200}, false},
    {"9.3.8: TRACE is the handler's (RFC 9110)", "TRACE / HTTP/1.1\r\nHost: a.test\r\n\r\n", {200}, false},
    {"9.1: a method that nobody knows (RFC 9110)", "BREW / HTTP/1.1\r\nHost: a.test\r\n\r\n", {200}, false},
    {"9.1: lower case is another method (RFC 9110)", "get / HTTP/1.1\r\nHost: a.test\r\n\r\n", {200}, false},
    {"7.8: an upgrade that is not taken (RFC 9110)",
     "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n" + next,
     {200, 200},
     false},
    {"10.1.1: an expectation with its body at once (RFC 9110)",
     head + "Content-Length: 3\r\nExpect: 100-continue\r\n\r\nabc" + next,
     {200, 200},
     false},
    {"10.1.1: an expectation and too long a body (RFC 9110)",
     head + "Content-Length: 5000\r\nExpect: 100-continue\r\n\r\n",
     {413}},
    {"5.5: a value of obs-text (RFC 9110)", "GET / HTTP/1.1\r\nHost: a.test\r\nA: \xff\xfe\r\n\r\n", {200}, false},
    {"5.6.3: white space around a value", "GET / HTTP/1.1\r\nHost: \t a.test \t\r\n\r\n", {200}, false},
    {"8: half a request", "GET / HTTP/1.1\r\nHost: a.te", {}},
    {"2.2: nothing but an empty line", "\r\n", {}},
};

asio::awaitable<response> take(request asked) {
    const auto text = co_await asked.body.text();
    co_return response{asked.method + " " + std::to_string(text.size()) + "\n"};
}

server_options small_bounds() {
    server_options options;
    options.head_max = 2048;
    options.body_max = 1000;
    // More than any test takes: what ends a connection here is what came.
    options.idle_timeout = options.head_timeout = options.body_timeout = 60s;
    return options;
}

/// The statuses of the answers, and whether the server closed before its client did.
asio::awaitable<std::pair<std::vector<int>, bool>> exchange(
    setting& s, std::string bytes, bool ends, std::size_t answers) {
    auto client = co_await s.connect(s.plain);
    co_await write_all(*client, bytes);
    if (ends)
        client->shutdown_write();
    std::pair<std::vector<int>, bool> seen{{}, true};
    std::string all;
    std::array<std::byte, 4096> buffer;
    const auto count = [&] {
        seen.first.clear();
        for (auto at = all.find("HTTP/1.1 "); at != std::string::npos; at = all.find("HTTP/1.1 ", at + 1))
            if (const int status = std::stoi(all.substr(at + 9, 3)); status >= 200)
                seen.first.push_back(status);
        return seen.first.size();
    };
    for (;;) {
        if (!ends && count() >= answers && all.ends_with("\n")) {
            seen.second = false;
            break;
        }
        const auto size = co_await read_some(*client, buffer);
        if (size == 0)
            break;
        all.append(reinterpret_cast<const char*>(buffer.data()), size);
    }
    count();
    // One that goes on has to answer one more.
    if (!seen.second) {
        co_await write_all(*client, next);
        const auto size = co_await read_some(*client, buffer);
        if (size == 0)
            throw std::runtime_error{"the connection was closed"};
    }
    co_return seen;
}

}  // namespace

TEST_CASE("hostile requests over a socket get their status, and the connection closes") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        setting s{io, small_bounds(), take};
        int tried = 0;
        for (const auto* table : {&test::start_lines, &test::field_lines, &test::framings, &test::chunks}) {
            for (const auto& each : *table) {
                // Sizes that are announced and do not come: the sequences below have them with what they announce.
                if (each.status == 413 && table == &test::chunks)
                    continue;
                const std::string what = each.what;
                const std::string bytes = each.bytes;
                auto seen = co_await exchange(s, bytes, true, 1);
                INFO(what);
                CHECK(seen.first == std::vector<int>{each.status});
                CHECK(seen.second);
                ++tried;
            }
        }
        CHECK(tried + sequences.size() >= 150);
        s.server.stop(0ms);
        co_await s.running->join();
    });
}

TEST_CASE("what a sequence of bytes means is decided as RFC 9112 has it, over a socket") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        setting s{io, small_bounds(), take};
        for (const auto& each : sequences) {
            const std::string bytes = each.bytes;
            auto seen = co_await exchange(s, bytes, each.closes, each.statuses.size());
            INFO(each.what);
            CHECK(seen.first == each.statuses);
            CHECK(seen.second == each.closes);
        }
        s.server.stop(0ms);
        co_await s.running->join();
    });
}

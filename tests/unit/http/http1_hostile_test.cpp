#include <string>
#include <vector>

#include "catch.hpp"
#include "hostile_requests.hpp"
#include "http1_support.hpp"

using namespace test;

namespace {

void check_refused(const std::vector<hostile>& table) {
    for (const auto& entry : table) {
        INFO(entry.what);
        const auto whole = decode_request(entry.bytes, entry.bytes.size());
        CHECK(whole.failure == entry.status);
        CHECK(whole.why.find("RFC") != std::string::npos);
        CHECK_FALSE(whole.complete);
        CHECK_FALSE(whole.keep_alive);
        for (const std::size_t piece : {1, 2, 3, 7})
            CHECK(decode_request(entry.bytes, piece) == whole);
    }
}

}  // namespace

TEST_CASE("a hostile request line is refused with the status that RFC 9112 wants") { check_refused(start_lines); }

TEST_CASE("hostile fields are refused with the status that RFC 9112 wants") { check_refused(field_lines); }

TEST_CASE("a framing that two implementations could read in two ways is refused") { check_refused(framings); }

TEST_CASE("hostile chunks, extensions and trailers are refused without a throw") { check_refused(chunks); }

TEST_CASE("a refused request says so as soon as the byte that is wrong has come") {
    // The end of the head never comes: a decoder that waited for it would wait for ever.
    CHECK(decode_request("GET / HTTP/1.1\r\nA: b\nc", 1).failure == 400);
    CHECK(decode_request("\x16\x03\x01", 1).taken == 1);
}

#include "acme/nonce_pool.hpp"
#include "catch.hpp"

using namespace evercert;

TEST_CASE("the newest nonce is taken first, and the oldest are dropped") {
    acme::nonce_pool pool{2};
    CHECK_FALSE(pool.take());
    pool.add("first");
    pool.add("second");
    pool.add("third");
    CHECK(pool.size() == 2);
    CHECK(pool.take() == "third");
    CHECK(pool.take() == "second");
    CHECK_FALSE(pool.take());
}

TEST_CASE("what is not base64url is no nonce") {
    acme::nonce_pool pool{8};
    CHECK(pool.add("oFvnlFP1wIhRlYS2jTaXbA-_"));
    for (std::string bad : {"", "a=", "a+b", "a/b", "a b", "a\r\nb", "\"", "\xc3\xa4"})
        CHECK_FALSE(pool.add(bad));
    CHECK_FALSE(pool.add(std::string(1025, 'a')));
    CHECK(pool.size() == 1);
}

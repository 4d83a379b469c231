#include <evercert/failure_class.hpp>

#include "catch.hpp"

using namespace evercert;

TEST_CASE("a class of failure is read back from its name") {
    for (std::size_t i = 0; i < failure_class_count; ++i) {
        const auto kind = static_cast<failure_class>(i);
        CHECK(parse_failure_class(to_string(kind)) == kind);
    }
    CHECK(to_string(failure_class::our_mistake) == "our_mistake");
    CHECK_FALSE(parse_failure_class("nothing"));
}

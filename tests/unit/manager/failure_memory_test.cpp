#include <stdexcept>

#include "catch.hpp"
#include "manager/failure_memory.hpp"

using namespace evercert;
using namespace std::chrono_literals;

namespace {

const steady_time t0{1000h};
const auto broken = std::make_exception_ptr(std::runtime_error{"broken"});

}  // namespace

TEST_CASE("a failure is remembered until its time and no longer") {
    failure_memory memory{10};
    memory.remember("a", broken, t0 + 1min);
    CHECK(memory.find("a", t0) == broken);
    CHECK(memory.find("b", t0) == nullptr);
    CHECK(memory.find("a", t0 + 1min) == nullptr);
    CHECK(memory.size() == 0);
}

TEST_CASE("a success forgets the failure, a second failure replaces the first") {
    failure_memory memory{10};
    memory.remember("a", broken, t0 + 1min);
    memory.remember("a", broken, t0 + 5min);
    CHECK(memory.find("a", t0 + 2min) == broken);
    memory.forget("a");
    CHECK(memory.find("a", t0) == nullptr);
}

TEST_CASE("the memory is bounded: what ends first goes first") {
    failure_memory memory{2};
    memory.remember("a", broken, t0 + 3min);
    memory.remember("b", broken, t0 + 1min);
    memory.remember("c", broken, t0 + 2min);
    CHECK(memory.size() == 2);
    CHECK(memory.find("b", t0) == nullptr);
    CHECK(memory.find("a", t0) == broken);
    failure_memory none{0};
    none.remember("a", broken, t0 + 1min);
    CHECK(none.size() == 0);
}

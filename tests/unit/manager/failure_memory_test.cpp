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
    failure_memory memory{10, 1min, 1h};
    memory.remember("a", broken, t0);
    CHECK(memory.find("a", t0) == broken);
    CHECK(memory.find("b", t0) == nullptr);
    CHECK(memory.find("a", t0 + 59s) == broken);
    CHECK(memory.find("a", t0 + 1min) == nullptr);
    CHECK(memory.find("a", t0 + 3h) == nullptr);
    CHECK(memory.size() == 0);
}

TEST_CASE("each failure in a row is remembered twice as long, up to a bound") {
    failure_memory memory{10, 1min, 1h};
    auto now = t0;
    for (const auto length : {1min, 2min, 4min, 8min, 16min, 32min, 60min, 60min}) {
        memory.remember("a", broken, now);
        CHECK(memory.find("a", now + length - 1s) == broken);
        CHECK(memory.find("a", now + length) == nullptr);
        now += length;
    }
    memory.forget("a");
    memory.remember("a", broken, now);
    CHECK(memory.find("a", now + 1min) == nullptr);
}

TEST_CASE("what a CA asks for is remembered that long") {
    failure_memory memory{10, 1min, 1h};
    memory.remember("a", broken, t0, 5h);
    CHECK(memory.find("a", t0 + 299min) == broken);
    CHECK(memory.find("a", t0 + 5h) == nullptr);
}

TEST_CASE("a success forgets the failure, and a change of the host list all of them") {
    failure_memory memory{10, 1min, 1h};
    memory.remember("a", broken, t0);
    memory.remember("b", broken, t0);
    memory.forget("a");
    CHECK(memory.find("a", t0) == nullptr);
    memory.clear();
    CHECK(memory.find("b", t0) == nullptr);
}

TEST_CASE("the memory is bounded: what ends first goes first") {
    failure_memory memory{2, 1min, 1h};
    memory.remember("a", broken, t0, 30min);
    memory.remember("b", broken, t0);
    memory.remember("c", broken, t0, 20min);
    CHECK(memory.size() == 2);
    CHECK(memory.find("b", t0) == nullptr);
    CHECK(memory.find("a", t0) == broken);
    failure_memory none{0, 1min, 1h};
    none.remember("a", broken, t0);
    CHECK(none.size() == 0);
}

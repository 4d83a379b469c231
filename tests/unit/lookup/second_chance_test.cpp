#include <array>

#include "catch.hpp"
#include "lookup/second_chance.hpp"

using namespace evercert;

namespace {

struct member : second_chance_member {};

}  // namespace

TEST_CASE("there is room for as many as the bound says, and for one at least") {
    std::array<member, 3> all;
    second_chance<member> two{2};
    CHECK(two.add(all[0]) == nullptr);
    CHECK(two.add(all[1]) == nullptr);
    CHECK(two.add(all[2]) == &all[0]);
    CHECK(two.size() == 2);
    CHECK_FALSE(all[0].is_listed());

    std::array<member, 2> others;
    second_chance<member> one{0};
    CHECK(one.add(others[0]) == nullptr);
    CHECK(one.add(others[1]) == &others[0]);
}

TEST_CASE("who was used since the hand came by stays once more") {
    std::array<member, 5> all;
    second_chance<member> list{3};
    for (int i = 0; i < 3; ++i)
        list.add(all[static_cast<std::size_t>(i)]);
    all[0].mark_used();
    CHECK(list.add(all[3]) == &all[1]);
    CHECK(list.add(all[4]) == &all[2]);
    CHECK(list.add(all[1]) == &all[0]);
}

TEST_CASE("if everyone was used, the first one leaves after one round") {
    std::array<member, 4> all;
    second_chance<member> list{3};
    for (int i = 0; i < 3; ++i) {
        list.add(all[static_cast<std::size_t>(i)]);
        all[static_cast<std::size_t>(i)].mark_used();
    }
    CHECK(list.add(all[3]) == &all[0]);
}

TEST_CASE("the search for one who was not used has an end") {
    constexpr auto many = second_chance<member>::chances_max + 10;
    std::array<member, many + 1> all;
    second_chance<member> list{many};
    for (std::size_t i = 0; i < many; ++i) {
        list.add(all[i]);
        all[i].mark_used();
    }
    CHECK(list.add(all[many]) == &all[second_chance<member>::chances_max]);
}

TEST_CASE("who is removed makes room, whoever it is") {
    for (std::size_t gone = 0; gone < 3; ++gone) {
        std::array<member, 5> all;
        second_chance<member> list{3};
        for (std::size_t i = 0; i < 3; ++i)
            list.add(all[i]);
        list.remove(all[gone]);
        list.remove(all[gone]);
        CHECK(list.size() == 2);
        CHECK_FALSE(all[gone].is_listed());
        CHECK(list.add(all[3]) == nullptr);
        const auto* left = list.add(all[4]);
        REQUIRE(left);
        CHECK_FALSE(left->is_listed());
        CHECK(left != &all[gone]);
    }
}

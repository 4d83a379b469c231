#include <algorithm>
#include <map>
#include <random>
#include <vector>

#include "catch.hpp"
#include "renewal/replacement_queue.hpp"

using namespace evercert;
using namespace std::chrono_literals;
using std::chrono::days;

namespace {

using pressure = replacement_rank::pressure;

const wall_time t0 = std::chrono::sys_days{std::chrono::year{2026} / 6 / 1};

/// Issued at `t0` for 100 days, with a window of the CA's.
renewal_facts make_facts(std::optional<suggested_window> window = {}) {
    renewal_facts facts;
    facts.not_before = facts.obtained = t0;
    facts.not_after = t0 + days{100};
    facts.window = window;
    return facts;
}

suggested_window until(duration end) { return {t0 + end - days{1}, t0 + end}; }

std::vector<std::string> drain(replacement_queue queue) {
    std::vector<std::string> keys;
    while (const auto next = queue.next()) {
        keys.push_back(*next);
        queue.forget(*next);
    }
    return keys;
}

std::vector<std::string> listed(const replacement_queue& queue) {
    std::vector<std::string> keys;
    queue.each([&](const std::string& key, const replacement_rank&) {
        keys.push_back(key);
        return true;
    });
    return keys;
}

}  // namespace

TEST_CASE("a renewal is in time until the CA's window ends, without one until the certificate does") {
    CHECK(deadline_of(make_facts()) == t0 + days{100});
    CHECK(deadline_of(make_facts(until(days{67}))) == t0 + days{67});
    CHECK(deadline_of(make_facts(until(days{130}))) == t0 + days{100});
    // Stale, and none.
    CHECK(deadline_of(make_facts(until(-days{3}))) == t0 + days{100});
    CHECK(deadline_of(make_facts(suggested_window{t0 + days{9}, t0 + days{8}})) == t0 + days{100});
}

TEST_CASE("windows that have passed are equal, whatever they say, and what is asked for most goes first") {
    const auto now = t0 + days{40};
    const auto early = rank_of(make_facts(until(days{10})), 1, now);
    const auto late = rank_of(make_facts(until(days{40})), 2, now);
    CHECK(early.group == pressure::overdue);
    CHECK(late.group == pressure::overdue);
    CHECK(late.goes_before(early));
    CHECK_FALSE(early.goes_before(late));
}

TEST_CASE("what is in time goes by its deadline, however often others are asked for") {
    const auto now = t0 + days{66};
    const auto sooner = rank_of(make_facts(until(days{67})), 0, now);
    const auto later = rank_of(make_facts(until(days{68})), 1000, now);
    const auto without = rank_of(make_facts(), 5000, now);
    CHECK(sooner.group == pressure::in_time);
    CHECK(sooner.goes_before(later));
    CHECK(later.goes_before(without));
    CHECK(rank_of(make_facts(until(days{20})), 0, now).goes_before(sooner));
}

TEST_CASE("what is about to end goes before all else, by its end; what has expired only if somebody wants it") {
    const auto overdue = rank_of(make_facts(until(days{20})), 1000, t0 + days{94});
    const auto ending = rank_of(make_facts(until(days{20})), 0, t0 + days{95});
    CHECK(overdue.group == pressure::overdue);
    CHECK(ending.group == pressure::ending);
    CHECK(ending.goes_before(overdue));

    const auto expired = rank_of(make_facts(), 1, t0 + days{100});
    CHECK(expired.goes_before(ending));
    CHECK(rank_of(make_facts(), 2, t0 + days{103}).goes_before(expired));
    const auto unwanted = rank_of(make_facts(), 0, t0 + days{100});
    CHECK(unwanted.group == pressure::overdue);
    CHECK(overdue.goes_before(unwanted));
}

TEST_CASE("the time is known at which a rank becomes another one") {
    const auto facts = make_facts(until(days{67}));
    const std::vector<std::pair<int, std::optional<int>>> table{{0, 67}, {66, 67}, {67, 95}, {95, 100}, {100, {}}};
    for (const auto& [day, expected] : table) {
        CAPTURE(day);
        const auto changes = rank_changes_at(facts, t0 + days{day});
        CHECK(changes.has_value() == expected.has_value());
        if (changes && expected)
            CHECK(*changes == t0 + days{*expected});
    }
    for (int hour = 0; hour < 101 * 24; ++hour) {
        const auto now = t0 + hour * 1h;
        const auto rank = rank_of(facts, 1, now);
        const auto end = rank_changes_at(facts, now).value_or(t0 + days{200});
        const auto before_it = rank_of(facts, 1, end - 1s);
        REQUIRE_FALSE(rank.goes_before(before_it));
        REQUIRE_FALSE(before_it.goes_before(rank));
        REQUIRE((end == t0 + days{200} || rank_of(facts, 1, end).goes_before(rank)));
    }
}

TEST_CASE("a queue of replacements gives what presses most, keys decide among equals") {
    replacement_queue queue;
    CHECK_FALSE(queue.next());
    queue.put("b", {pressure::overdue, {}, 5});
    queue.put("c", {pressure::overdue, {}, 5});
    queue.put("a", {pressure::overdue, {}, 3});
    queue.put("d", {pressure::in_time, t0, 100});
    queue.put("e", {pressure::ending, t0, 0});
    CHECK(drain(queue) == std::vector<std::string>{"e", "b", "c", "a", "d"});
    queue.put("a", {pressure::overdue, {}, 6});  // anew
    queue.forget("c");
    queue.forget("never there");
    CHECK(queue.size() == 4);
    CHECK(listed(queue) == std::vector<std::string>{"e", "a", "b", "d"});
    queue.clear();
    CHECK(queue.size() == 0);
    CHECK_FALSE(queue.next());
}

TEST_CASE("those that count against the CA's limit can be left aside, and change sides") {
    replacement_queue queue;
    queue.put("counts", {pressure::overdue, {}, 9, true});
    queue.put("free", {pressure::overdue, {}, 5});
    CHECK(queue.next() == "counts");
    CHECK(queue.next(replacement_queue::of::uncounted) == "free");
    CHECK(queue.counted() == 1);
    queue.put("free", {pressure::overdue, {}, 5, true});
    CHECK(queue.counted() == 2);
    CHECK_FALSE(queue.next(replacement_queue::of::uncounted));
    queue.put("counts", {pressure::overdue, {}, 9});
    CHECK(queue.next(replacement_queue::of::uncounted) == "counts");
    CHECK(listed(queue) == std::vector<std::string>{"counts", "free"});
}

TEST_CASE("whatever is put, ranked anew and forgotten, a queue of replacements is in order") {
    std::mt19937 random{7};
    replacement_queue queue;
    std::map<std::string, replacement_rank> model;
    for (int i = 0; i < 5000; ++i) {
        const auto key = std::to_string(random() % 60);
        if (random() % 3 == 0) {
            queue.forget(key);
            model.erase(key);
            continue;
        }
        const replacement_rank rank{
            static_cast<pressure>(random() % 3), t0 + days{random() % 3}, random() % 4, random() % 2 == 0};
        queue.put(key, rank);
        model[key] = rank;
    }
    const auto keys = listed(queue);
    REQUIRE(keys.size() == model.size());
    CHECK(queue.size() == model.size());
    CHECK(drain(queue) == keys);
    CHECK(std::is_sorted(keys.begin(), keys.end(), [&](const auto& a, const auto& b) {
        const auto &one = model.at(a), &other = model.at(b);
        return one.goes_before(other) || (!other.goes_before(one) && a < b);
    }));
}

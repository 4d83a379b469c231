#pragma once

#include <string>
#include <vector>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "ledger/ledger.hpp"

namespace test {

using namespace evercert;

inline const wall_time t0 = std::chrono::sys_days{std::chrono::year{2026} / 6 / 1};
inline constexpr order_kind newcomer{};
inline constexpr order_kind renewal{.renewal = true};
inline constexpr order_kind repeated{.renewal = true, .replaces = false, .repeats = true};
inline constexpr order_kind replacement{.renewal = true, .replaces = true, .repeats = true};
inline constexpr std::size_t enough = 10'000;
inline constexpr duration week = std::chrono::days{7};

/// Let's Encrypt's, one at a time.
inline ca_limits only(ca_limit ca_limits::* which, int reserve = 0) {
    ca_limits limits;
    limits.*which = lets_encrypt_limits().*which;
    limits.renewal_reserve_percent = reserve;
    return limits;
}

/// How many orders for what `names(i)` says are let through at `now`.
template <typename Names>
int order_all(ledger& book, Names names, order_kind kind, wall_time now) {
    for (int i = 0;; ++i) {
        const std::vector<identifier> wanted = names(i);
        if (i == 10'000 || !book.can_issue(wanted, kind, now).now)
            return i;
        book.ordered(wanted, kind, now);
    }
}

inline std::vector<identifier> host(int i) { return {"h" + std::to_string(i) + ".example.com"}; }
inline std::vector<identifier> domain(int i) { return {"d" + std::to_string(i) + ".test"}; }
inline std::vector<identifier> same(int) { return {"a.example.com", "b.example.com"}; }

inline std::vector<boost::json::object> shards_of(const ledger& book) {
    std::vector<boost::json::object> shards;
    for (int i = 0; i < ledger::shards; ++i)
        shards.push_back(boost::json::parse(boost::json::serialize(book.to_json(i))).as_object());
    return shards;
}

inline int read_all(ledger& into, const std::vector<boost::json::object>& shards, wall_time now) {
    int damaged = 0;
    for (int i = 0; i < ledger::shards; ++i)
        damaged += into.read(i, shards[static_cast<std::size_t>(i)], now);
    return damaged;
}
}  // namespace test

#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace evercert {

/// Who is in a `second_chance` list derives from this.
class second_chance_member {
public:
    /// It was used: from any thread, at any time. Nothing is written if it was used before, so that threads that use
    /// the same one do not take its cache line from one another.
    void mark_used() const noexcept {
        if (!used_.load(std::memory_order_relaxed))
            used_.store(true, std::memory_order_relaxed);
    }
    bool is_listed() const noexcept { return at_ != nowhere; }

private:
    template <class Member>
    friend class second_chance;
    static constexpr std::uint32_t nowhere = UINT32_MAX;

    std::uint32_t at_ = nowhere;
    mutable std::atomic<bool> used_ = false;
};

/// A bounded list that keeps what is popular, as the CLOCK algorithm does: a hand goes round; who was used since it
/// came by last stays, who was not leaves. A use costs a flag, unlike the order of use that LRU keeps. Not thread-safe,
/// but for `mark_used`.
template <class Member>
class second_chance {
public:
    explicit second_chance(std::size_t size_max) : size_max_{std::clamp<std::size_t>(size_max, 1, UINT32_MAX)} {}

    /// `member` is not listed. Returns who had to leave for it; null if there was room.
    Member* add(Member& member) {
        member.used_.store(false, std::memory_order_relaxed);
        if (members_.size() < size_max_) {
            member.at_ = static_cast<std::uint32_t>(members_.size());
            members_.push_back(&member);
            return nullptr;
        }
        Member* const leaves = &pick();
        member.at_ = leaves->at_;
        members_[member.at_] = &member;
        leaves->at_ = second_chance_member::nowhere;
        advance();
        return leaves;
    }

    /// If it is listed.
    void remove(Member& member) {
        if (!member.is_listed())
            return;
        members_[member.at_] = members_.back();
        members_[member.at_]->at_ = member.at_;
        members_.pop_back();
        member.at_ = second_chance_member::nowhere;
    }

    std::size_t size() const noexcept { return members_.size(); }

    /// If everyone was used, the search for one who was not would go all the way round while lookups wait.
    static constexpr std::size_t chances_max = 64;

private:
    Member& pick() {
        for (std::size_t given = 0;; ++given) {
            if (hand_ >= members_.size())
                hand_ = 0;
            Member& next = *members_[hand_];
            if (given == chances_max || !next.used_.exchange(false, std::memory_order_relaxed))
                return next;
            advance();
        }
    }
    void advance() { ++hand_; }

    std::size_t size_max_;
    std::size_t hand_ = 0;
    std::vector<Member*> members_;
};

}  // namespace evercert

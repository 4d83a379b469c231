#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>

#include <evercert/error.hpp>

#include "testing/routes.hpp"

namespace evercert::testing {

/// Of what comes along, every nth; 0 = none.
class every_nth {
public:
    every_nth() = default;
    /// Throws `error` with `errc::invalid_options` if `n` is negative.
    explicit every_nth(int n);

    bool operator()() {
        if (n_ == 0)
            return false;
        seen_ = (seen_ + 1) % n_;
        return seen_ == 0;
    }

private:
    int n_ = 0;
    int seen_ = 0;
};

/// What a request gets instead of its answer.
struct fault {
    problem why;
    std::string retry_after;
};

/// A status from 400 to 599; without a type `detail` is the plain text of something in front of a CA. Throws `error` with
/// `errc::invalid_options`.
fault make_fault(int status, const std::string& type, std::string detail, std::string retry_after);

/// Which requests do not get their answer. Where no resource is named, all of them are meant; what is said of one comes
/// before what is said of all.
class fault_plan {
public:
    using target = std::optional<resource>;

    void fail_next(resource what, fault how) { queued_[what].push_back(std::move(how)); }
    /// 0 = nothing is said of it any more.
    void fail_every(int n, target what, fault how) { set(failing_, n, what, recurring{every_nth{n}, std::move(how)}); }
    void lose_every(int n, target what) { set(losing_, n, what, every_nth{n}); }
    void recover();

    /// What this request gets.
    std::optional<fault> failure(resource);
    /// The connection closes instead of carrying the answer.
    bool is_lost(resource);

private:
    struct recurring {
        every_nth when;
        fault how;
    };

    template <typename Value>
    static void set(std::map<target, Value>& in, int n, target what, Value said) {
        if (n == 0)
            in.erase(what);
        else
            in.insert_or_assign(what, std::move(said));
    }

    std::map<resource, std::deque<fault>> queued_;
    std::map<target, recurring> failing_;
    std::map<target, every_nth> losing_;
};

}  // namespace evercert::testing

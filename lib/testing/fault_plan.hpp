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
    void fail_every(int n, target what, fault how) { failing_.insert_or_assign(what, recurring{every_nth{n}, how}); }
    void lose_every(int n, target what) { losing_.insert_or_assign(what, every_nth{n}); }
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

    std::map<resource, std::deque<fault>> queued_;
    std::map<target, recurring> failing_;
    std::map<target, every_nth> losing_;
};

}  // namespace evercert::testing

#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <asio/awaitable.hpp>

#include <evercert/acme/client.hpp>
#include <evercert/certificate.hpp>
#include <evercert/manager_options.hpp>

#include "base/log.hpp"
#include "base/worker.hpp"
#include "challenge/solver.hpp"

namespace evercert {

struct issuer_options {
    std::vector<challenge_type> challenges = {challenge_type::tls_alpn_01, challenge_type::http_01};
    std::chrono::milliseconds order_timeout = std::chrono::minutes{15};
    /// So much later than now a new certificate may begin.
    std::chrono::seconds clock_tolerance = std::chrono::minutes{10};
};

/// An order in two halves (RFC 8555, section 7.1.6), since between them its owner writes down what it needs to find the
/// certificate again: the order's URL and the key. No policy on when: limits are the caller's.
///
/// Thread-bound. Must outlive what it awaits.
class issuer {
public:
    issuer(std::vector<std::shared_ptr<solver>>, std::shared_ptr<clock>, logger, issuer_options);

    /// What an order that failed teaches the next one.
    struct lessons {
        std::set<challenge_type> failed;  ///< challenges that the CA could not validate
        /// Of these the validation failed in the last order, or may have: the CA may have been told of the challenge, and
        /// nobody knows what came of it.
        std::vector<identifier> not_authorized;
        bool not_a_replacement = false;  ///< the CA did not take the last order as one
        bool try_again = false;          ///< without `replaces`, or with another challenge
    };

    /// From newOrder to an order that can be finalized. `replaces`: the id of a certificate (RFC 9773, section 5), or
    /// empty. Challenges are cleaned up whatever happens.
    /// `learned` must outlive it. `before_validation`, if there is one, is awaited before the CA is told of a challenge.
    using step = std::function<asio::awaitable<void>()>;
    asio::awaitable<acme::order> place(
        acme::client& client, std::vector<identifier> names, std::string replaces, lessons& learned,
        step before_validation = {});

    /// From there to a certificate for `key` that can be served. A finalize whose answer is lost is never sent again: the
    /// order is read instead.
    asio::awaitable<certificate_ptr> complete(
        acme::client& client, acme::order ready, private_key key, std::vector<identifier> names);

    /// The certificate of an order that was finalized earlier, by somebody who did not wait for the end. Null if it will
    /// never have one for this key: it is invalid, gone, was not finalized, or is `processing` and must not be waited for.
    asio::awaitable<certificate_ptr> resume(
        acme::client& client, std::string order_url, private_key key, std::vector<identifier> names, bool may_wait);

    /// An order that is `processing` for longer than this will stay so: CAs take seconds.
    static constexpr std::chrono::hours processing_max{1};
    /// An order that nobody could look up for longer than this is given up. It may have a certificate, and a CA issues few for
    /// the same names (Let's Encrypt one in 34 hours), so a failure of some hours is no reason for another one.
    static constexpr std::chrono::hours lookup_max{24};

private:
    struct presented;

    asio::awaitable<acme::order> new_order(acme::client&, std::vector<identifier>, std::string replaces, lessons&);
    asio::awaitable<acme::order> place_steps(
        acme::client&, std::vector<identifier>, std::string replaces, lessons&, std::vector<presented>&, step);
    asio::awaitable<void> authorize(acme::client&, acme::order, lessons&, std::vector<presented>&, step);
    asio::awaitable<void> announce(acme::client&, std::string challenge_url, presented&);
    asio::awaitable<void> wait_authorized(acme::client&, lessons&, std::vector<presented>&);
    asio::awaitable<acme::order> finalize(acme::client&, acme::order, std::vector<unsigned char> csr);
    asio::awaitable<certificate_ptr> complete_steps(
        acme::client&, acme::order, private_key, std::vector<identifier> names);
    asio::awaitable<certificate_ptr> resume_steps(
        acme::client&, std::string order_url, private_key, std::vector<identifier> names, bool may_wait);
    asio::awaitable<certificate_ptr> download(
        acme::client&, std::string url, private_key, std::vector<identifier> names);
    solver* solver_for(std::string_view type) const;

    std::vector<std::shared_ptr<solver>> solvers_;
    std::shared_ptr<clock> clock_;
    logger log_;
    issuer_options options_;
};

}  // namespace evercert

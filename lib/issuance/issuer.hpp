#pragma once

#include <memory>
#include <set>
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
    key_type certificate_key = key_type::ec_p256;
    std::chrono::milliseconds order_timeout = std::chrono::minutes{15};
};

/// One order from newOrder to a certificate that can be served (RFC 8555, section 7.1.6): the steps in their
/// order, and what is cleaned up whatever happens. No policy on when: limits are the caller's.
///
/// Thread-bound. Must outlive what it awaits.
class issuer {
public:
    issuer(
        std::vector<std::shared_ptr<solver>>, std::shared_ptr<worker>, std::shared_ptr<clock>, logger, issuer_options);

    /// What an order that failed teaches the next one.
    struct lessons {
        std::set<challenge_type> failed;  ///< challenges that the CA could not validate
        bool try_again = false;           ///< another challenge is left to try
    };

    /// Order a certificate for `names` from the CA of `client` with its account, and verify it. `learned` takes
    /// what the failure taught; both must outlive it. A finalize whose answer is lost is never sent again: the
    /// order is read instead.
    asio::awaitable<certificate_ptr> order(acme::client& client, std::vector<identifier> names, lessons& learned);

private:
    struct presented;

    asio::awaitable<certificate_ptr> steps(acme::client&, std::vector<identifier>, lessons&, std::vector<presented>&);
    asio::awaitable<void> authorize(acme::client&, acme::order, lessons&, std::vector<presented>&);
    asio::awaitable<void> wait_authorized(acme::client&, presented&, lessons&);
    asio::awaitable<acme::order> finalize(acme::client&, acme::order, std::vector<unsigned char> csr);
    solver* solver_for(std::string_view type) const;

    std::vector<std::shared_ptr<solver>> solvers_;
    std::shared_ptr<worker> worker_;
    std::shared_ptr<clock> clock_;
    logger log_;
    issuer_options options_;
};

}  // namespace evercert

#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include <evercert/http.hpp>
#include <evercert/testing/acme_server.hpp>

#include "crypto/csr.hpp"
#include "testing/authority.hpp"
#include "testing/ca_book.hpp"
#include "testing/ca_limiter.hpp"
#include "testing/ca_view.hpp"
#include "testing/careless_requests.hpp"
#include "testing/fault_plan.hpp"
#include "testing/jws_request.hpp"
#include "testing/nonces.hpp"
#include "testing/routes.hpp"

namespace evercert::testing {

/// An ACME server without I/O: a request and the time go in, the response comes out. It signs, but it does not
/// validate: it says what is to be validated and is told the outcome.
class ca_core {
public:
    /// Let's Encrypt's.
    static constexpr std::size_t names_max = 100;
    /// More contacts than anybody has.
    static constexpr std::size_t contacts_max = 10;

    ca_core(acme_server_options options, std::string base_url, authority issuer);
    ca_core(const ca_core&) = delete;
    ca_core& operator=(const ca_core&) = delete;

    /// Nothing if the answer is lost: the request took its effect, and the connection is to be closed.
    std::optional<response> handle(const request&, moment now);

    /// Validations that requests have asked for since the last call.
    std::vector<validation> take_validations() { return std::exchange(validations_, {}); }
    /// The outcome of one: no problem is success.
    void validated(std::size_t challenge, std::optional<problem> error, moment now);
    /// Certificates that were issued since the last call.
    std::vector<issued_certificate> take_issued() { return std::exchange(issued_, {}); }
    /// And orders that were placed.
    std::vector<placed_order> take_ordered() { return std::exchange(ordered_, {}); }

    fault_plan& faults() { return faults_; }
    /// Every nth validation ends with this.
    void fail_validations(int n, problem why);
    void hang_orders(bool hangs) { book_.hang_orders(hangs); }
    void forget_accounts() { book_.forget_accounts(); }
    /// The number of certificates that were good until then.
    int revoke_all(moment now, std::string explanation_url);
    /// Certificates are issued under it from now on.
    void replace_issuer(wall_time now);
    void lifetime(std::chrono::seconds lifetime) { options_.lifetime = lifetime; }
    /// Empty = renewal information as it is.
    void renewal_info_body(std::string body) { renewal_faults_.body = std::move(body); }
    void shift_renewal_windows(duration by) { renewal_faults_.shift = by; }
    void stale_renewal_info(bool stale);
    void renewal_info_retry_after(std::string value) { options_.renewal_info_retry_after = std::move(value); }
    /// Ends what was said by `faults()` and by the functions after it that last; not what they have changed.
    void recover();
    /// Throws `error` with `errc::invalid_options` if there is no such certificate.
    void renewal_window(std::string_view serial, const testing::renewal_window&);
    void renewal_windows(const testing::renewal_window&);
    void bad_nonce_every(int n) { bad_nonce_ = every_nth{n}; }
    int count(resource what) const { return counts_[static_cast<std::size_t>(what)]; }
    const numbered<certificate_record>& certificates() const { return book_.certificates(); }
    const ca_limiter& limiter() const { return limiter_; }
    const careless_requests& careless() const { return careless_; }
    const ca_view& view() const { return view_; }
    /// The roots of every issuer that there was, in PEM.
    const std::string& roots_pem() const { return roots_pem_; }

private:
    /// A request whose JWS was accepted.
    struct signed_request {
        jws_request jws;
        account_record* account;        ///< null if it was signed with a key of its own
        std::optional<public_key> key;  ///< that key
        asio::ip::address from;
    };

    response dispatch(const route&, const request&, moment now);
    response dispatch_signed(const route&, const signed_request&, moment now);
    signed_request authenticate(const request&, resource);
    void check_nonce(const jws_request&);
    account_record& account_of(const jws_request&);
    void inject_fault(resource);

    response new_account(const signed_request&, moment now);
    response account(const route&, const signed_request&);
    response orders(const route&, const signed_request&, moment now);
    response key_change(const signed_request&);
    response new_order(const signed_request&, moment now);
    response order(const route&, const signed_request&, moment now);
    response finalize(const route&, const signed_request&, moment now);
    response authorization(const route&, const signed_request&, moment now);
    response challenge(const route&, const signed_request&, moment now);
    response certificate(const route&, const signed_request&);
    response revoke_cert(const signed_request&, moment now);
    response renewal_info(const route&);
    void move_window(certificate_record&, testing::renewal_window);
    /// What the order is to replace, by `replaces`; null if it says nothing of that. Throws `refusal`.
    certificate_record* find_replaced(
        const boost::json::object& payload, const account_record&, const std::vector<identifier>& names, moment now);

    void issue(order_record&, const public_key&, moment now);
    response account_response(int status, const account_record&) const;
    response order_response(int status, const order_record&) const;
    order_record& own_order(std::size_t id, const signed_request&, moment now);
    std::vector<identifier> parse_names(const boost::json::object& payload) const;
    parsed_csr check_csr(const order_record&, const account_record&, const boost::json::object& payload) const;

    acme_server_options options_;
    ca_view view_;
    authority issuer_;
    int issuers_ = 1;
    std::string roots_pem_ = issuer_.roots_pem();
    ca_book book_;
    nonce_book nonces_;
    std::vector<validation> validations_;
    std::vector<issued_certificate> issued_;
    std::vector<placed_order> ordered_;
    ca_limiter limiter_;
    careless_requests careless_;
    fault_plan faults_;
    every_nth bad_nonce_;
    every_nth bad_validation_;
    problem bad_validation_problem_;
    struct {
        std::string body;
        duration shift = {};
        bool stale = false;
    } renewal_faults_;
    std::array<int, resource_count> counts_ = {};
};

}  // namespace evercert::testing

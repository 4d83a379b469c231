#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <evercert/testing/acme_server.hpp>

#include "testing/ca_records.hpp"

namespace evercert::testing {

/// The CA's records and how their states change (RFC 8555, section 7.1.6). Delays and expiry are not timers: a
/// record is brought up to date when it is looked at, so the same requests at the same times give the same
/// answers.
///
/// References stay valid for the life of the book.
class ca_book {
public:
    /// As long as Let's Encrypt's orders and pending authorizations.
    static constexpr auto pending_for = std::chrono::days{7};
    /// Let's Encrypt's were good for 30 days until 2025.
    static constexpr auto valid_for = std::chrono::days{30};

    explicit ca_book(const acme_server_options& options);

    account_record& add_account(public_key key, std::vector<std::string> contact);
    account_record* find_account(std::size_t id);
    account_record* find_account(const std::string& thumbprint);
    void change_key(account_record&, public_key key);
    /// Also ends what the account has begun (section 7.3.6).
    void deactivate(account_record&);

    /// `names` without duplicates, each with at least one challenge on offer.
    order_record& add_order(account_record&, std::vector<identifier> names, moment now);
    order_record* find_order(std::size_t id, moment now);
    authorization_record* find_authorization(std::size_t id, moment now);
    /// True if the account has proved control of every name, and still may use that.
    bool is_authorized(const account_record&, const std::vector<identifier>& names, moment now);

    /// Finds it with its authorization brought up to date.
    challenge_record* find_challenge(std::size_t id, moment now);
    const challenge_record& challenge(std::size_t id) const { return challenges_[id - 1]; }
    /// The types of challenge that can prove this name.
    std::vector<std::string> challenges_for(const identifier&) const;
    /// True if that started a validation: the challenge was pending, and so was its authorization.
    bool answer(challenge_record&, moment now);
    /// What the validation found.
    void validated(std::size_t challenge, std::optional<problem> error, moment now);

    certificate_record& add_certificate(order_record&, certificate_record made, moment now);
    certificate_record* find_certificate(std::size_t id);
    certificate_record* find_certificate(const std::vector<unsigned char>& der);
    certificate_record* find_renewal(const std::string& renewal_id);
    std::deque<certificate_record>& certificates() { return certificates_; }
    const std::deque<certificate_record>& certificates() const { return certificates_; }

private:
    void settle(authorization_record&, moment now);
    void settle(order_record&, moment now);
    std::size_t authorize(const account_record&, const identifier& name, moment now);

    const acme_server_options& options_;
    std::deque<account_record> accounts_;
    std::deque<order_record> orders_;
    std::deque<authorization_record> authorizations_;
    std::deque<challenge_record> challenges_;
    std::deque<certificate_record> certificates_;
    std::map<std::string, std::size_t> by_thumbprint_;
    std::map<std::vector<unsigned char>, std::size_t> by_der_;
    std::map<std::string, std::size_t> by_renewal_id_;
    /// The latest authorization of an account for a name, as it was ordered.
    std::map<std::pair<std::size_t, identifier>, std::size_t> latest_;
};

}  // namespace evercert::testing

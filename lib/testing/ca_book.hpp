#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <evercert/testing/acme_server.hpp>

#include "testing/ca_records.hpp"
#include "testing/numbered.hpp"

namespace evercert::testing {

/// The CA's records and how their states change (RFC 8555, section 7.1.6). Delays and expiry are not timers: a
/// record is brought up to date when it is looked at, so the same requests at the same times give the same
/// answers.
///
/// What nobody has a reason to ask for any more is forgotten by `prune`; references stay valid until then.
class ca_book {
public:
    /// As long as Let's Encrypt's orders and pending authorizations.
    static constexpr auto pending_for = std::chrono::days{7};
    /// Let's Encrypt's were good for 30 days until 2025.
    static constexpr auto valid_for = std::chrono::days{30};

    /// What is over can still be read for as long.
    static constexpr auto remembered_for = std::chrono::days{7};
    /// So many records more than after the last `prune` are worth another, and half as many again as there were.
    static constexpr std::size_t prune_after = 1024;

    explicit ca_book(const acme_server_options& options);

    /// Orders, authorizations, challenges and certificates that ended `remembered_for` ago.
    void prune(moment now);
    bool is_prune_due() const { return size() > pruned_size_ + pruned_size_ / 2 + prune_after; }
    /// How many records there are.
    std::size_t size() const;

    account_record& add_account(public_key key, std::vector<std::string> contact);
    account_record* find_account(std::size_t id);
    account_record* find_account(const std::string& thumbprint);
    void change_key(account_record&, public_key key);
    /// Also ends what the account has begun (section 7.3.6).
    void deactivate(account_record&);
    /// As if none had ever been made. Their numbers are not used again.
    void forget_accounts();
    /// While it hangs, no order leaves `processing`, but for its expiry.
    void hang_orders(bool hangs) { hangs_ = hangs; }

    /// `names` without duplicates, each with at least one challenge on offer.
    order_record& add_order(account_record&, std::vector<identifier> names, moment now);
    order_record* find_order(std::size_t id, moment now);
    authorization_record* find_authorization(std::size_t id, moment now);
    /// True if the account has proved control of every name, and still may use that.
    bool is_authorized(const account_record&, const std::vector<identifier>& names, moment now);

    /// Finds it with its authorization brought up to date.
    challenge_record* find_challenge(std::size_t id, moment now);
    const challenge_record& challenge(std::size_t id) const { return *challenges_.find(id); }
    /// The types of challenge that can prove this name.
    std::vector<std::string> challenges_for(const identifier&) const;
    /// True if that started a validation: the challenge was pending, and so was its authorization.
    bool answer(challenge_record&, moment now);
    /// What the validation found. The authorization it was for; null if that is forgotten.
    const authorization_record* validated(std::size_t challenge, std::optional<problem> error, moment now);

    certificate_record& add_certificate(order_record&, certificate_record made, moment now);
    certificate_record* find_certificate(std::size_t id);
    certificate_record* find_certificate(const std::vector<unsigned char>& der);
    certificate_record* find_renewal(const std::string& renewal_id);
    /// Null if it was not issued or is forgotten.
    certificate_record* find_serial(std::string_view serial);
    /// True if there is a certificate for exactly these names.
    bool is_certified(std::vector<identifier> names) const;
    numbered<certificate_record>& certificates() { return certificates_; }
    const numbered<certificate_record>& certificates() const { return certificates_; }

private:
    void forget(const certificate_record&);
    void settle(authorization_record&, moment now);
    void settle(order_record&, moment now);
    std::size_t authorize(const account_record&, const identifier& name, moment now);

    const acme_server_options& options_;
    bool hangs_ = false;
    std::size_t pruned_size_ = 0;
    numbered<account_record> accounts_;
    numbered<order_record> orders_;
    numbered<authorization_record> authorizations_;
    numbered<challenge_record> challenges_;
    numbered<certificate_record> certificates_;
    std::map<std::string, std::size_t> by_thumbprint_;
    // Keys are in the records. Nothing goes through these in their order, which is not the same in every process.
    std::unordered_map<std::string_view, std::size_t> by_serial_;
    std::unordered_map<std::string_view, std::size_t> by_renewal_id_;
    /// How many certificates there are for these names, in order.
    std::map<std::vector<identifier>, std::size_t> certified_;
    /// The latest authorization of an account for a name, as it was ordered.
    std::map<std::pair<std::size_t, identifier>, std::size_t> latest_;
};

}  // namespace evercert::testing

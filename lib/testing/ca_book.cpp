#include "testing/ca_book.hpp"

#include <algorithm>

#include "testing/nonces.hpp"
#include "testing/refusal.hpp"

namespace evercert::testing {

namespace {

using acme::account_status;
using acme::authorization_status;
using acme::challenge_status;
using acme::order_status;

std::vector<identifier> in_order(std::vector<identifier> names) {
    std::sort(names.begin(), names.end());
    return names;
}

void invalidate(order_record& order, std::string_view type, std::string detail) {
    order.status = order_status::invalid;
    order.error = acme_problem(403, type, std::move(detail));
}

}  // namespace

ca_book::ca_book(const acme_server_options& options) : options_{options} {}

account_record& ca_book::add_account(public_key key, std::vector<std::string> contact) {
    auto thumbprint = key.thumbprint();
    auto& added = accounts_.add({.id = 0, .key = std::move(key), .contact = std::move(contact)});
    by_thumbprint_[std::move(thumbprint)] = added.id;
    return added;
}

account_record* ca_book::find_account(std::size_t id) { return accounts_.find(id); }

account_record* ca_book::find_account(const std::string& thumbprint) {
    const auto found = by_thumbprint_.find(thumbprint);
    return found == by_thumbprint_.end() ? nullptr : accounts_.find(found->second);
}

void ca_book::change_key(account_record& account, public_key key) {
    by_thumbprint_.erase(account.key.thumbprint());
    account.key = std::move(key);
    by_thumbprint_[account.key.thumbprint()] = account.id;
}

void ca_book::deactivate(account_record& account) {
    account.status = account_status::deactivated;
    for (auto& [id, each] : authorizations_)
        if (each.account == account.id &&
            (each.status == authorization_status::pending || each.status == authorization_status::valid))
            each.status = authorization_status::deactivated;
}

void ca_book::forget_accounts() {
    accounts_.clear();
    by_thumbprint_.clear();
}

std::vector<std::string> ca_book::challenges_for(const identifier& name) const {
    std::vector<std::string> result;
    const bool ip = name.type() == identifier::kind::ip;
    for (const auto& type : options_.challenges) {
        const bool over_dns = type.starts_with("dns-");
        // RFC 8738, section 7 rules DNS out for addresses; RFC 8555, section 8.3 and RFC 8737, section 3 the
        // others for wildcards.
        if (over_dns ? !ip : !name.is_wildcard())
            result.push_back(type);
    }
    return result;
}

order_record& ca_book::add_order(account_record& account, std::vector<identifier> names, moment now) {
    std::vector<std::size_t> authorizations;
    for (const auto& name : names)
        authorizations.push_back(authorize(account, name, now));
    auto& order = orders_.add(
        {.id = 0,
         .account = account.id,
         .names = std::move(names),
         .expires = now.wall + pending_for,
         .authorizations = std::move(authorizations)});
    account.orders.push_back(order.id);
    settle(order, now);
    return order;
}

std::size_t ca_book::authorize(const account_record& account, const identifier& name, moment now) {
    auto& latest = latest_[{account.id, name}];
    if (options_.reuse_authorizations && latest != 0) {
        const auto* before = find_authorization(latest, now);
        if (before->status == authorization_status::valid)
            return latest;
    }
    auto& added = authorizations_.add(
        {.id = 0,
         .account = account.id,
         .identifier = name.is_wildcard() ? identifier{name.value().substr(2)} : name,
         .wildcard = name.is_wildcard(),
         .expires = now.wall + pending_for});
    for (auto& type : challenges_for(name)) {
        const auto& offered =
            challenges_.add({.id = 0, .authorization = added.id, .type = std::move(type), .token = random_token()});
        added.challenges.push_back(offered.id);
    }
    latest = added.id;
    return added.id;
}

order_record* ca_book::find_order(std::size_t id, moment now) {
    auto* found = orders_.find(id);
    if (found)
        settle(*found, now);
    return found;
}

authorization_record* ca_book::find_authorization(std::size_t id, moment now) {
    auto* found = authorizations_.find(id);
    if (found)
        settle(*found, now);
    return found;
}

challenge_record* ca_book::find_challenge(std::size_t id, moment now) {
    auto* found = challenges_.find(id);
    if (found)
        find_authorization(found->authorization, now);
    return found;
}

bool ca_book::is_authorized(const account_record& account, const std::vector<identifier>& names, moment now) {
    return std::all_of(names.begin(), names.end(), [&](const identifier& name) {
        const auto found = latest_.find({account.id, name});
        return found != latest_.end() && find_authorization(found->second, now)->status == authorization_status::valid;
    });
}

bool ca_book::answer(challenge_record& challenge, moment now) {
    const auto* authorization = find_authorization(challenge.authorization, now);
    if (challenge.status != challenge_status::pending || authorization->status != authorization_status::pending)
        return false;
    challenge.status = challenge_status::processing;
    challenge.answered = now.steady;
    return true;
}

const authorization_record* ca_book::validated(std::size_t id, std::optional<problem> error, moment now) {
    auto* challenge = challenges_.find(id);
    if (!challenge)
        return nullptr;
    challenge->is_validated = true;
    challenge->error = std::move(error);
    challenge->validated = now.wall;
    return authorizations_.find(challenge->authorization);
}

certificate_record& ca_book::add_certificate(order_record& order, certificate_record made, moment now) {
    auto& certificate = certificates_.add(std::move(made));
    by_serial_[certificate.serial] = certificate.id;
    by_renewal_id_[certificate.renewal_id] = certificate.id;
    ++certified_[in_order(certificate.names)];
    if (auto* before = find_renewal(order.replaces))
        before->replaced = true;
    order.certificate = certificate.id;
    order.status = order_status::processing;
    order.finalized = now.steady;
    settle(order, now);
    return certificate;
}

certificate_record* ca_book::find_certificate(std::size_t id) { return certificates_.find(id); }

certificate_record* ca_book::find_certificate(const std::vector<unsigned char>& der) {
    const auto found = std::find_if(
        certificates_.begin(), certificates_.end(), [&](const auto& each) { return each.second.der == der; });
    return found == certificates_.end() ? nullptr : &found->second;
}

certificate_record* ca_book::find_serial(std::string_view serial) {
    const auto found = by_serial_.find(serial);
    return found == by_serial_.end() ? nullptr : certificates_.find(found->second);
}

bool ca_book::is_certified(std::vector<identifier> names) const {
    return certified_.contains(in_order(std::move(names)));
}

certificate_record* ca_book::find_renewal(const std::string& renewal_id) {
    const auto found = by_renewal_id_.find(renewal_id);
    return found == by_renewal_id_.end() ? nullptr : certificates_.find(found->second);
}

std::size_t ca_book::size() const {
    return orders_.size() + authorizations_.size() + challenges_.size() + certificates_.size();
}

void ca_book::prune(moment now) {
    const auto before = now.wall - remembered_for;
    // Orders first: they look at their authorizations, none of which ends as long before them.
    orders_.erase_if([&](const order_record& each) { return each.expires <= before; });
    for (auto& [id, account] : accounts_)
        std::erase_if(account.orders, [&](std::size_t order) { return !orders_.find(order); });
    authorizations_.erase_if([&](authorization_record& each) {
        settle(each, now);
        if (each.expires > before)
            return false;
        for (const auto id : each.challenges)
            challenges_.erase(id);
        return true;
    });
    std::erase_if(latest_, [&](const auto& each) { return !authorizations_.find(each.second); });
    certificates_.erase_if([&](const certificate_record& each) {
        if (each.not_after > before)
            return false;
        forget(each);
        return true;
    });
    pruned_size_ = size();
}

void ca_book::forget(const certificate_record& certificate) {
    by_serial_.erase(certificate.serial);
    by_renewal_id_.erase(certificate.renewal_id);
    const auto counted = certified_.find(in_order(certificate.names));
    if (--counted->second == 0)
        certified_.erase(counted);
}

void ca_book::settle(authorization_record& authorization, moment now) {
    if (authorization.status == authorization_status::pending) {
        for (const auto id : authorization.challenges) {
            auto& challenge = *challenges_.find(id);
            if (challenge.status != challenge_status::processing || !challenge.is_validated ||
                now.steady < challenge.answered + options_.validation_delay)
                continue;
            challenge.status = challenge.error ? challenge_status::invalid : challenge_status::valid;
            authorization.status = challenge.error ? authorization_status::invalid : authorization_status::valid;
            authorization.expires = challenge.validated + valid_for;
            break;
        }
    }
    if (now.wall < authorization.expires)
        return;
    if (authorization.status == authorization_status::pending)
        authorization.status = authorization_status::invalid;
    if (authorization.status == authorization_status::valid)
        authorization.status = authorization_status::expired;
}

void ca_book::settle(order_record& order, moment now) {
    if (order.status == order_status::pending || order.status == order_status::ready) {
        bool all_valid = true;
        for (const auto id : order.authorizations) {
            const auto* authorization = find_authorization(id, now);
            if (authorization && authorization->status == authorization_status::valid)
                continue;
            all_valid = false;
            // One that is forgotten ended after the order.
            if (!authorization || authorization->status == authorization_status::pending)
                continue;
            invalidate(
                order, "unauthorized",
                "the authorization of " + authorization->identifier.value() + " is " +
                    std::string{to_string(authorization->status)});
            return;
        }
        if (now.wall >= order.expires)
            invalidate(order, "malformed", "the order has expired");
        else if (all_valid)
            order.status = order_status::ready;
    }
    if (order.status != order_status::processing)
        return;
    if (hangs_ && now.wall >= order.expires)
        invalidate(order, "serverInternal", "the order has expired while it was processed");
    else if (!hangs_ && now.steady >= order.finalized + options_.issuance_delay)
        order.status = order_status::valid;
}

}  // namespace evercert::testing

#include <asio/post.hpp>

#include <evercert/error.hpp>

#include "base/failure.hpp"
#include "base/socket.hpp"
#include "base/within.hpp"
#include "manager/impl.hpp"

namespace evercert {

manager::impl::looked_up manager::impl::look_up(const client_hello& hello) {
    if (hello.is_challenge()) {
        auto answer = tls_alpn_01->find(hello.server_name);
        if (!answer)
            throw error{errc::no_challenge, "no validation of " + quoted(hello.server_name) + " is in progress"};
        looked_up validation;
        validation.found = std::move(answer);
        return validation;
    }
    const auto choice = preferred.for_client(hello.support);
    if (hello.server_name.empty())
        return look_up_nameless(hello, choice);
    auto name = identifier::parse(hello.server_name);
    // Names of the reverse tree are for validations of addresses alone (RFC 8738, section 6).
    if (!name || name->type() == identifier::kind::ip || name->is_wildcard() || from_reverse_arpa(name->value()))
        throw error{
            errc::invalid_identifier, quoted(hello.server_name) + " is not a name that a certificate can be for"};
    return look_up_name(std::move(*name), choice);
}

manager::impl::looked_up manager::impl::look_up_nameless(const client_hello& hello, const certificate_choice& choice) {
    looked_up known;
    if (const auto address = identifier::parse(plain_address(hello.local.address).to_string())) {
        auto by_address = index.find(*address, choice);
        known.found = std::move(by_address.certificate);
        known.own = by_address.own;
    }
    if (is_current(known.found))
        return known;
    if (auto chosen = own.for_no_name(choice); is_current(chosen) || (chosen && !known.found)) {
        known.found = std::move(chosen);
        known.own = true;
    }
    if (!is_current(known.found) && options.default_name)
        return look_up_name(*options.default_name, choice);
    if (!known.found)
        throw error{errc::no_server_name, "the client sent no server name"};
    return known;
}

manager::impl::looked_up manager::impl::look_up_name(identifier name, const certificate_choice& choice) {
    auto found = index.find(name, choice);
    if (found.own && !is_current(found.certificate))
        if (auto other = index.find(name, choice.managed()); is_current(other.certificate))
            found = std::move(other);
    looked_up known;
    for (const auto type : options.key_types)
        if (const auto kind = kind_of(type); !known.wanted && choice.has(kind))
            known.wanted = kind;
    if (!found.certificate && !known.wanted)
        throw error{
            errc::tls_failed,
            "the client can use no key of a certificate that there is for " + name.value() +
                ", nor of manager_options::key_types"};
    known.found = std::move(found.certificate);
    known.own = found.own;
    known.name = std::move(name);
    known.takes_self_signed = options.self_signed_meanwhile && choice.has(key_kind::ec_p256);
    return known;
}

void manager::impl::improve(const looked_up& known) {
    const bool is_wanted = known.own || !known.wanted || kind_of(known.found->key().type()) == *known.wanted;
    if (!is_wanted)
        obtain_later(known.found->names(), *known.wanted);
}

// A flood of such names takes neither the strand nor a timer.
void manager::impl::refuse_known(const looked_up& known) {
    if (!known.name || known.found || !certificates.is_refused(*known.name))
        return;
    context.tell(event_type::refused, {*known.name});
    throw certificates.refusal(*known.name);
}

// An expired one is better than none, so those who have it do not all wait for a CA that hangs.
duration manager::impl::patience(const looked_up& known) const {
    const duration whole = options.handshake_wait;
    if (!known.found)
        return whole;
    const auto flight = all.flight(certificate_key({*known.name}, *known.wanted));
    return flight ? whole - (options.clock->steady() - flight->since) : whole;
}

asio::awaitable<certificate_ptr> manager::impl::get_certificate(client_hello hello) {
    const auto self = shared_from_this();
    auto known = look_up(hello);
    if (is_current(known.found)) {
        improve(known);
        co_return known.found;
    }
    // Nobody can do better: see the end.
    if (known.found && (known.name ? !known.wanted : known.own))
        co_return known.found;
    if (!known.name)
        throw error{errc::certificate_expired, "the certificate of this address has expired"};
    refuse_known(known);
    if (!known.found && known.takes_self_signed) {
        co_await enter(self, certificates.admit(*known.name));
        obtain_later({*known.name}, *known.wanted);
        co_return signer.get(*known.name, context.now());
    }
    const auto wait = patience(known);
    if (known.found && wait <= duration{})
        co_return known.found;
    std::vector<identifier> names{*known.name};
    auto work = enter(self, certificates.obtain_for_handshake(std::move(names), *known.wanted));
    auto what = "obtaining a certificate for " + known.name->value();
    auto result = co_await as_outcome(within(*options.clock, wait, std::move(what), std::move(work)));
    // Better an expired certificate than none: some clients take it, and the others learn what is wrong.
    if (result.thrown && known.found && !describe(result.thrown).is_cancellation())
        co_return known.found;
    co_return result.get();
}

bool manager::impl::is_current(const certificate_ptr& cert) const {
    return cert && cert->not_after() > options.clock->wall();
}

context_lookup manager::impl::lookup_for_context() {
    // The context may outlive the manager.
    return [weak = weak_from_this()](const client_hello& hello) -> certificate_ptr {
        const auto self = weak.lock();
        if (!self || self->destroyed)
            throw error{errc::stopped, "the manager is gone"};
        auto known = self->look_up(hello);
        if (self->is_current(known.found)) {
            self->improve(known);
            return known.found;
        }
        self->refuse_known(known);
        if (known.name && known.wanted)
            self->obtain_later({*known.name}, *known.wanted);
        if (!known.found && known.takes_self_signed && self->certificates.is_admitted(*known.name))
            return self->signer.get(*known.name, self->context.now());
        return known.found;
    };
}

void manager::impl::obtain_later(std::vector<identifier> names, key_kind kind) {
    asio::post(strand, [self = shared_from_this(), names = std::move(names), kind]() mutable {
        const auto key = certificate_key(names, kind);
        // Clients decide how often this happens.
        if (!self->stopping && !self->all.in_progress(key) && self->tasks.size() < self->options.waiters_max)
            self->tasks.spawn(self->certificates.obtain_in_background(std::move(names), kind));
    });
}

}  // namespace evercert

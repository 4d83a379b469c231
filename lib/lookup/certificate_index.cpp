#include "lookup/certificate_index.hpp"

#include <algorithm>
#include <mutex>
#include <utility>

namespace evercert {

namespace {

/// For a name that both have. Of the same names it is the next one, and how long it lasts is the CA's business: one that
/// lasts 6 days renews one of 90 days that was revoked. Else what is valid for longer.
bool replaces(const held_certificate& fresh, const held_certificate& there) {
    const auto &ours = fresh.names(), &theirs = there.names();
    const bool same = std::is_permutation(ours.begin(), ours.end(), theirs.begin(), theirs.end());
    return same && fresh.not_before() != there.not_before() ? fresh.not_before() > there.not_before()
                                                            : fresh.not_after() >= there.not_after();
}

}  // namespace

certificate_index::certificate_index(
    std::size_t parsed_max, damage_handler on_damage, const certificate_choice& preferred)
    : preferred_{preferred}, parsed_{parsed_max}, on_damage_{std::move(on_damage)} {}

certificate_index::~certificate_index() {
    replace({}, false);
    replace({}, true);
}

certificate_index::leftovers::~leftovers() {
    for (const held_ptr& cert : to_drop)
        cert->drop_parsed();
}

certificate_index::entry* certificate_index::look_up(const identifier& name, const certificate_choice& choice) const {
    entry* second = nullptr;
    entry* found = pick(name.value(), choice, second);
    if (!found)
        if (const auto wildcard = name.wildcard())
            found = pick(wildcard->value(), choice, second);
    return found ? found : second;
}

certificate_index::entry* certificate_index::pick(
    std::string_view name, const certificate_choice& choice, entry*& second) const {
    for (const bool own : {true, false}) {
        if (own && !choice.takes_own())
            continue;
        for (const auto kind : choice) {
            const map& there = maps_of(own)[static_cast<std::size_t>(kind)];
            if (there.empty())
                continue;
            const auto at = there.find(name);
            if (at == there.end())
                continue;
            if (at->second->held->is_signed_with_any(choice.signatures()))
                return at->second;
            if (!second)
                second = at->second;
        }
    }
    return nullptr;
}

certificate_index::found_certificate certificate_index::find(const identifier& name, const certificate_choice& choice) {
    for (;;) {
        held_ptr cold;
        bool own = false;
        {
            const std::shared_lock lock{mutex_};
            entry* const there = look_up(name, choice);
            if (!there)
                return {};
            there->wanted.note(today());
            own = there->own;
            if (there->parsed) {
                there->mark_used();
                return {there->parsed, own};
            }
            cold = there->held;
        }
        try {
            auto parsed = cold->get();
            keep_parsed(cold, parsed);
            return {std::move(parsed), own};
        } catch (const error& e) {
            // Whoever removes it tells; then there may be another one that serves the name. Each round removes a
            // certificate, so there is an end.
            if (remove(cold) && on_damage_)
                on_damage_(cold, e);
        }
    }
}

held_ptr certificate_index::find_held(const identifier& name, const certificate_choice& choice) const {
    const std::shared_lock lock{mutex_};
    const auto* found = look_up(name, choice);
    return found ? found->held : nullptr;
}

void certificate_index::publish(const held_ptr& cert) {
    leftovers left;
    const std::unique_lock lock{mutex_};
    add(cert, false, left);
}

void certificate_index::publish_own(const held_ptr& cert) {
    leftovers left;
    const std::unique_lock lock{mutex_};
    add(cert, true, left);
}

void certificate_index::put_back(const held_ptr& cert, const held_ptr& failed) {
    leftovers left;
    const std::unique_lock lock{mutex_};
    take_away(*failed, left);
    add(cert, false, left);
}

void certificate_index::replace(const std::vector<held_ptr>& all) { replace(all, false); }

void certificate_index::replace_own(const std::vector<held_ptr>& all) { replace(all, true); }

void certificate_index::replace(const std::vector<held_ptr>& all, bool own) {
    leftovers left;
    const std::unique_lock lock{mutex_};
    const auto before = std::exchange(own ? own_ : managed_, {});
    for (const map& of_kind : before)
        for (const auto& [name, there] : of_kind)
            unlink(*there, left);
    for (const held_ptr& cert : all)
        add(cert, own, left);
    // Those without a name live until the end of this function.
    for (const map& of_kind : before)
        for (const auto& [name, there] : of_kind) {
            const map& now = map_of(*there->held, own);
            if (const auto at = now.find(there->held->names().front().value()); at != now.end())
                at->second->wanted.succeed(there->wanted, today());
        }
}

void certificate_index::replace(const std::vector<certificate_ptr>& all) {
    std::vector<held_ptr> held;
    held.reserve(all.size());
    for (const certificate_ptr& cert : all)
        held.push_back(std::make_shared<const held_certificate>(cert));
    replace(held);
}

bool certificate_index::remove(const held_ptr& cert) {
    leftovers left;
    const std::unique_lock lock{mutex_};
    return take_away(*cert, left);
}

bool certificate_index::take_away(const held_certificate& cert, leftovers& left) {
    bool was_there = false;
    for (const bool own : {false, true}) {
        map& there = map_of(cert, own);
        for (const identifier& name : cert.names()) {
            const auto at = there.find(name.value());
            if (at == there.end() || at->second->held.get() != &cert)
                continue;
            entry& leaves = *at->second;
            there.erase(at);
            unlink(leaves, left);
            was_there = true;
        }
    }
    return was_there;
}

std::size_t certificate_index::size() const {
    const std::shared_lock lock{mutex_};
    std::size_t names = 0;
    for (const maps* all : {&own_, &managed_})
        for (const map& of_kind : *all)
            names += of_kind.size();
    return names;
}

std::uint32_t certificate_index::asked(const held_certificate& cert) const {
    const std::shared_lock lock{mutex_};
    const auto* there = entry_of(cert);
    return there ? there->wanted.on(today()) : 0;
}

std::size_t certificate_index::parsed() const {
    const std::shared_lock lock{mutex_};
    return parsed_.size();
}

certificate_index::entry* certificate_index::entry_of(const held_certificate& cert) const {
    entry* const there = entry_of(cert, false);
    return there ? there : entry_of(cert, true);
}

certificate_index::entry* certificate_index::entry_of(const held_certificate& cert, bool own) const {
    const map& there = map_of(cert, own);
    if (there.empty())
        return nullptr;
    for (const identifier& name : cert.names()) {
        const auto at = there.find(name.value());
        if (at != there.end() && at->second->held.get() == &cert)
            return at->second;
    }
    return nullptr;
}

void certificate_index::add(const held_ptr& cert, bool own, leftovers& left) {
    entry* there = entry_of(*cert, own);
    if (!there)
        there = new entry{cert, own};  // owned by the names that lead to it
    const map& of_kind = map_of(*cert, own);
    for (const identifier& name : cert->names()) {
        const auto at = of_kind.find(name.value());
        if (at == of_kind.end() || replaces(*cert, *at->second->held))
            link(name.value(), *there, left);
    }
    if (there->names == 0)
        left.entries.emplace_back(there);
    else if (auto parsed = cert->if_parsed())
        list_parsed(*there, std::move(parsed), left);
}

/// A key lives in the certificate that it leads to, so it is replaced with it.
void certificate_index::link(std::string_view name, entry& to, leftovers& left) {
    ++to.names;
    entry* replaced = nullptr;
    map& of_kind = map_of(*to.held, to.own);
    if (const auto at = of_kind.find(name); at != of_kind.end()) {
        replaced = at->second;
        of_kind.erase(at);
    }
    of_kind.emplace(name, &to);
    if (replaced) {
        to.wanted.succeed(replaced->wanted, today());
        unlink(*replaced, left);
    }
}

void certificate_index::unlink(entry& from, leftovers& left) {
    if (--from.names > 0)
        return;
    parsed_.remove(from);
    left.entries.emplace_back(&from);
}

void certificate_index::list_parsed(entry& there, certificate_ptr parsed, leftovers& left) {
    there.parsed = std::move(parsed);
    if (there.is_listed())
        return;
    if (entry* const leaves = parsed_.add(there)) {
        left.parsed.push_back(std::move(leaves->parsed));
        left.to_drop.push_back(leaves->held);
    }
}

void certificate_index::keep_parsed(const held_ptr& cert, const certificate_ptr& parsed) {
    leftovers left;
    const std::unique_lock lock{mutex_};
    if (entry* const there = entry_of(*cert))
        list_parsed(*there, parsed, left);
    else
        left.to_drop.push_back(cert);  // replaced meanwhile: nobody else would
}

}  // namespace evercert

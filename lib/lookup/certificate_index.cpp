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

certificate_index::certificate_index(std::size_t parsed_max, damage_handler on_damage)
    : parsed_{parsed_max}, on_damage_{std::move(on_damage)} {}

certificate_index::~certificate_index() { replace(std::vector<held_ptr>{}); }

certificate_index::leftovers::~leftovers() {
    for (const held_ptr& cert : to_drop)
        cert->drop_parsed();
}

certificate_index::map::const_iterator certificate_index::look_up(const map& in, const identifier& name) {
    auto found = in.find(name.value());
    if (found == in.end())
        if (const auto wildcard = name.wildcard())
            found = in.find(wildcard->value());
    return found;
}

certificate_ptr certificate_index::find(const identifier& name) {
    for (;;) {
        held_ptr cold;
        {
            const std::shared_lock lock{mutex_};
            const auto found = look_up(by_name_, name);
            if (found == by_name_.end())
                return nullptr;
            entry& there = *found->second;
            there.wanted.note(today());
            if (there.parsed) {
                there.mark_used();
                return there.parsed;
            }
            cold = there.held;
        }
        try {
            auto parsed = cold->get();
            keep_parsed(cold, parsed);
            return parsed;
        } catch (const error& e) {
            // Whoever removes it tells; then there may be a wildcard that covers the name. Each round removes a
            // certificate, so there is an end.
            if (remove(cold) && on_damage_)
                on_damage_(cold, e);
        }
    }
}

held_ptr certificate_index::find_held(const identifier& name) const {
    const std::shared_lock lock{mutex_};
    const auto found = look_up(by_name_, name);
    return found == by_name_.end() ? nullptr : found->second->held;
}

void certificate_index::publish(const held_ptr& cert) {
    leftovers left;
    const std::unique_lock lock{mutex_};
    add(cert, left);
}

void certificate_index::put_back(const held_ptr& cert, const held_ptr& failed) {
    leftovers left;
    const std::unique_lock lock{mutex_};
    take_away(*failed, left);
    add(cert, left);
}

void certificate_index::replace(const std::vector<held_ptr>& all) {
    leftovers left;
    const std::unique_lock lock{mutex_};
    const auto before = std::exchange(by_name_, {});
    for (const auto& [name, there] : before)
        unlink(*there, left);
    for (const held_ptr& cert : all)
        add(cert, left);
    // Those without a name live until the end of this function.
    for (const auto& [name, there] : before)
        if (const auto at = by_name_.find(there->held->names().front().value()); at != by_name_.end())
            at->second->wanted.succeed(there->wanted, today());
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
    for (const identifier& name : cert.names()) {
        const auto at = by_name_.find(name.value());
        if (at == by_name_.end() || at->second->held.get() != &cert)
            continue;
        entry& there = *at->second;
        by_name_.erase(at);
        unlink(there, left);
        was_there = true;
    }
    return was_there;
}

std::size_t certificate_index::size() const {
    const std::shared_lock lock{mutex_};
    return by_name_.size();
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
    for (const identifier& name : cert.names()) {
        const auto at = by_name_.find(name.value());
        if (at != by_name_.end() && at->second->held.get() == &cert)
            return at->second;
    }
    return nullptr;
}

void certificate_index::add(const held_ptr& cert, leftovers& left) {
    entry* there = entry_of(*cert);
    if (!there)
        there = new entry{cert};  // owned by the names that lead to it
    for (const identifier& name : cert->names()) {
        const auto at = by_name_.find(name.value());
        if (at == by_name_.end() || replaces(*cert, *at->second->held))
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
    if (const auto at = by_name_.find(name); at != by_name_.end()) {
        replaced = at->second;
        by_name_.erase(at);
    }
    by_name_.emplace(name, &to);
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

#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <shared_mutex>
#include <string_view>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

#include <evercert/certificate.hpp>
#include <evercert/error.hpp>

#include "crypto/held_certificate.hpp"
#include "lookup/certificate_choice.hpp"
#include "lookup/demand.hpp"
#include "lookup/second_chance.hpp"

namespace evercert {

/// Name → certificates, in memory, one for each kind of key and whose it is, the application's own or the manager's: 0.1-0.2 µs at 100,000 names, changed in place (copying the map would cost 15 ms an
/// update). Certificates are kept as DER; those that are asked for are parsed, and the popular ones among them stay so.
/// Thread-safe.
class certificate_index {
public:
    struct found_certificate {
        certificate_ptr certificate;  ///< null if there is none
        bool own = false;             ///< the application's
    };

    /// A certificate that turned out to be damaged when it was to be parsed, and why. By then the index does not have
    /// it any more, and it is told once, on the thread that looked it up. It may call the index.
    using damage_handler = std::function<void(const held_ptr&, const error&)>;

    /// 7 kB each.
    static constexpr std::size_t parsed_max_default = 4096;

    /// At most `parsed_max` certificates, at least one, are kept parsed. `preferred` is for those who say nothing else.
    explicit certificate_index(
        std::size_t parsed_max = parsed_max_default, damage_handler = {}, const certificate_choice& preferred = {});
    ~certificate_index();
    certificate_index(const certificate_index&) = delete;
    certificate_index& operator=(const certificate_index&) = delete;

    /// Exact, then by the wildcard that covers `name`; of either first the application's own, then the manager's; of these in the
    /// order of the choice, but those last whose signature it does not have. None if there is none. One that is not parsed is
    /// parsed, in 0.3 ms; if it is damaged, it is as if it had never been there. (Who parses by `held_certificate::get` instead
    /// drops it afterwards, or the bound does not hold.)
    found_certificate find(const identifier& name, const certificate_choice&);
    certificate_ptr find(const identifier& name) { return find(name, preferred_).certificate; }
    /// The same without parsing.
    held_ptr find_held(const identifier& name) const { return find_held(name, preferred_); }
    held_ptr find_held(const identifier& name, const certificate_choice&) const;

    /// Serve `cert` for each of its names from now on. A name keeps what it has for this kind of key if that has the same names
    /// and begins later, or has others and is valid for longer: an older certificate never replaces a newer one.
    void publish(const held_ptr& cert);
    void publish(const certificate_ptr& cert) { publish(std::make_shared<const held_certificate>(cert)); }
    /// Serve `cert` for the names that lead to `failed`, which is not served any more, even though that is the later one. A
    /// name that leads to another certificate keeps that unless it ends earlier.
    void put_back(const held_ptr& cert, const held_ptr& failed);
    /// Serve these and nothing else of the manager's from now on. There is no moment between at which a name that both have is missing.
    void replace(const std::vector<held_ptr>& all);
    void replace(const std::vector<certificate_ptr>& all);
    /// The same for the application's own.
    void replace_own(const std::vector<held_ptr>& all);
    void publish_own(const held_ptr& cert);
    /// Do not serve it for any name; false if it was not served. What it replaced does not come back by itself.
    bool remove(const held_ptr& cert);

    /// How often it was found lately, and what it replaced before it; 0 if it is not served.
    std::uint32_t asked(const held_certificate& cert) const;
    /// Call it once a day: what was asked for before counts half.
    void next_day() noexcept { day_.fetch_add(1, std::memory_order_relaxed); }

    std::size_t size() const;    ///< names, one for each kind of key
    std::size_t parsed() const;  ///< certificates that are kept parsed

private:
    /// One certificate that is there for at least one name.
    struct entry : second_chance_member {
        entry(held_ptr cert, bool of_application) : own{of_application}, held{std::move(cert)} {}

        bool own;
        held_ptr held;
        certificate_ptr parsed;   ///< null unless listed among the parsed ones
        std::uint32_t names = 0;  ///< that lead here
        demand wanted;
    };

    struct text_hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>{}(text); }
    };

    /// The keys are the names that the certificate itself has.
    using map = boost::unordered_flat_map<std::string_view, entry*, text_hash, std::equal_to<>>;

    /// What must not be freed under the lock, for that takes longer than all else.
    struct leftovers {
        std::vector<std::unique_ptr<entry>> entries;
        std::vector<certificate_ptr> parsed;
        std::vector<held_ptr> to_drop;
        ~leftovers();
    };

    /// One for each kind of key. Those that nobody uses cost nothing.
    using maps = std::array<map, key_kinds>;

    entry* look_up(const identifier& name, const certificate_choice&) const;
    entry* pick(std::string_view name, const certificate_choice&, entry*& second) const;
    const maps& maps_of(bool own) const noexcept { return own ? own_ : managed_; }
    map& map_of(const held_certificate& cert, bool own) noexcept {
        return (own ? own_ : managed_)[static_cast<std::size_t>(kind_of(cert.type()))];
    }
    const map& map_of(const held_certificate& cert, bool own) const noexcept {
        return maps_of(own)[static_cast<std::size_t>(kind_of(cert.type()))];
    }
    entry* entry_of(const held_certificate&) const;
    entry* entry_of(const held_certificate&, bool own) const;
    void add(const held_ptr&, bool own, leftovers&);
    void replace(const std::vector<held_ptr>& all, bool own);
    bool take_away(const held_certificate&, leftovers&);
    void link(std::string_view name, entry&, leftovers&);
    void unlink(entry&, leftovers&);
    void list_parsed(entry&, certificate_ptr, leftovers&);
    void keep_parsed(const held_ptr&, const certificate_ptr&);

    std::uint32_t today() const noexcept { return day_.load(std::memory_order_relaxed); }

    mutable std::shared_mutex mutex_;
    maps own_;
    maps managed_;
    const certificate_choice preferred_;
    second_chance<entry> parsed_;
    damage_handler on_damage_;
    std::atomic<std::uint32_t> day_ = 0;
};

}  // namespace evercert

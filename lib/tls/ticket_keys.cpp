#include <algorithm>
#include <mutex>
#include <new>
#include <set>

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <evercert/error.hpp>
#include <evercert/ticket_keys.hpp>

namespace evercert {

namespace {

/// RFC 8446, section 4.6.1.
constexpr std::chrono::seconds permission_max = std::chrono::days{7};

/// Keys whose memory is wiped.
std::shared_ptr<const ticket_keys> keep(ticket_keys keys) {
    return {new ticket_keys{std::move(keys)}, [](const ticket_keys* done) {
                auto* const owned = const_cast<ticket_keys*>(done);
                OPENSSL_cleanse(owned->data(), owned->size() * sizeof(ticket_key));
                delete owned;
            }};
}

bool make_random(ticket_key& key) {
    return RAND_bytes(key.name.data(), static_cast<int>(key.name.size())) == 1 &&
        RAND_priv_bytes(key.encryption.data(), static_cast<int>(key.encryption.size())) == 1 &&
        RAND_priv_bytes(key.authentication.data(), static_cast<int>(key.authentication.size())) == 1;
}

}  // namespace

struct rotating_ticket_keys::impl {
    rotating_ticket_keys_options options;
    std::mutex mutex;
    std::shared_ptr<const ticket_keys> keys;

    duration permission() const { return options.rotation * static_cast<std::int64_t>(options.kept); }

    /// The newest key was made `permission` before its end. After a step of the clock to the past it would stay for ever.
    bool is_due(wall_time now) const {
        if (!keys)
            return true;
        const auto made = keys->front().until - permission();
        return now >= made + options.rotation || now < made;
    }

    std::shared_ptr<const ticket_keys> rotated(wall_time now) const {
        ticket_keys next;
        next.reserve(options.kept);  // what is moved elsewhere would stay in memory
        next.emplace_back();
        next.front().until = now + permission();
        if (!make_random(next.front()))
            return nullptr;
        const auto still_good = [&](const ticket_key& each) {
            return each.until > now && each.until <= next.front().until;
        };
        for (const auto& each : keys ? *keys : ticket_keys{})
            if (next.size() < options.kept && still_good(each))
                next.push_back(each);
        return keep(std::move(next));
    }
};

rotating_ticket_keys::rotating_ticket_keys(rotating_ticket_keys_options options) : impl_{std::make_unique<impl>()} {
    if (options.rotation <= std::chrono::seconds::zero() || options.kept == 0 ||
        options.rotation > permission_max / static_cast<std::int64_t>(std::min<std::size_t>(options.kept, 1'000'000)))
        throw error{
            errc::invalid_options,
            "ticket keys are rotated after more than 0 s, at least 1 is kept, and both together are 7 days at most"};
    impl_->options = std::move(options);
}
rotating_ticket_keys::~rotating_ticket_keys() = default;

std::shared_ptr<const ticket_keys> rotating_ticket_keys::current() noexcept {
    try {
        const auto now = impl_->options.clock->wall();
        const std::lock_guard lock{impl_->mutex};
        if (impl_->is_due(now))
            impl_->keys = impl_->rotated(now);
        return impl_->keys;
    } catch (...) {
        return nullptr;  // no memory: no tickets
    }
}

struct shared_ticket_keys::impl {
    std::mutex mutex;
    std::shared_ptr<const ticket_keys> keys;
};

shared_ticket_keys::shared_ticket_keys() : impl_{std::make_unique<impl>()} {}
shared_ticket_keys::~shared_ticket_keys() = default;

void shared_ticket_keys::set(ticket_keys keys) {
    std::set<std::array<std::uint8_t, 16>> names;
    for (const auto& each : keys)
        if (!names.insert(each.name).second)
            throw error{errc::invalid_options, "two ticket keys have the same name"};
    auto kept = keep(std::move(keys));
    const std::lock_guard lock{impl_->mutex};
    impl_->keys.swap(kept);
}

std::shared_ptr<const ticket_keys> shared_ticket_keys::current() noexcept {
    const std::lock_guard lock{impl_->mutex};
    return impl_->keys;
}

}  // namespace evercert

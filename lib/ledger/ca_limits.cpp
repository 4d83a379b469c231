#include <evercert/ca_limits.hpp>

namespace evercert {

ca_limits known_limits(std::string_view directory_url) {
    constexpr std::string_view scheme = "https://";
    ca_limits limits;
    if (!directory_url.starts_with(scheme))
        return limits;
    directory_url.remove_prefix(scheme.size());
    const auto host = directory_url.substr(0, directory_url.find_first_of(":/?#"));
    // The staging directory allows more; who tries something out there sees what will happen.
    if (host == "acme-v02.api.letsencrypt.org" || host == "acme-staging-v02.api.letsencrypt.org")
        limits = lets_encrypt_limits();
    return limits;
}

}  // namespace evercert

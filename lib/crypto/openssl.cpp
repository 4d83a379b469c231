#include "crypto/openssl.hpp"

namespace evercert {

error openssl_error(errc code, std::string_view what) {
    // The first error is the cause, the later ones are the callers' remarks on it.
    const unsigned long first = ERR_get_error();
    const char* reason = first ? ERR_reason_error_string(first) : nullptr;
    ERR_clear_error();
    std::string text{what};
    if (reason)
        text.append(": ").append(reason);
    return {code, text};
}

}  // namespace evercert

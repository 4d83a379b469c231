#include "tls/client_hello.hpp"

#include <openssl/ssl.h>

namespace evercert {

namespace {

/// A vector of RFC 8446, section 3.4: its length in `width` bytes, then that many bytes. Takes it off `rest`.
bool take_vector(bytes_view& rest, std::size_t width, bytes_view& content) {
    if (rest.size() < width)
        return false;
    std::size_t length = 0;
    for (std::size_t i = 0; i < width; ++i)
        length = length << 8 | rest[i];
    if (rest.size() - width < length)
        return false;
    content = rest.subspan(width, length);
    rest = rest.subspan(width + length);
    return true;
}

std::string to_text(bytes_view bytes) { return {bytes.begin(), bytes.end()}; }

bytes_view extension(SSL* ssl, unsigned int type, bool& present) {
    const unsigned char* data = nullptr;
    std::size_t size = 0;
    present = SSL_client_hello_get0_ext(ssl, type, &data, &size) == 1;
    return {data, size};
}

}  // namespace

int parse_server_name(bytes_view extension, std::string& name) {
    bytes_view list;
    if (!take_vector(extension, 2, list) || !extension.empty() || list.empty())
        return SSL_AD_DECODE_ERROR;
    // RFC 6066: one name of each type. host_name is the only type there is or ever will be, since clients
    // and servers exist that cannot parse another, OpenSSL among them.
    if (list[0] != TLSEXT_NAMETYPE_host_name)
        return SSL_AD_ILLEGAL_PARAMETER;
    list = list.subspan(1);
    bytes_view host_name;
    if (!take_vector(list, 2, host_name) || host_name.empty())
        return SSL_AD_DECODE_ERROR;
    if (!list.empty())
        return SSL_AD_ILLEGAL_PARAMETER;
    if (host_name.size() > server_name_max)
        return SSL_AD_UNRECOGNIZED_NAME;
    name = to_text(host_name);
    return 0;
}

int parse_alpn(bytes_view extension, std::vector<std::string>& protocols) {
    bytes_view list;
    if (!take_vector(extension, 2, list) || !extension.empty() || list.empty())
        return SSL_AD_DECODE_ERROR;
    std::vector<std::string> offered;
    while (!list.empty()) {
        bytes_view protocol;
        if (!take_vector(list, 1, protocol) || protocol.empty())
            return SSL_AD_DECODE_ERROR;
        if (offered.size() == alpn_protocols_max)
            return SSL_AD_ILLEGAL_PARAMETER;
        offered.push_back(to_text(protocol));
    }
    protocols = std::move(offered);
    return 0;
}

int read_client_hello(SSL* ssl, client_hello& into) {
    into.server_name.clear();
    into.alpn_protocols.clear();
    bool present = false;
    const bytes_view server_name = extension(ssl, TLSEXT_TYPE_server_name, present);
    if (present) {
        if (const int alert = parse_server_name(server_name, into.server_name))
            return alert;
    }
    const bytes_view alpn = extension(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, present);
    if (present)
        return parse_alpn(alpn, into.alpn_protocols);
    return 0;
}

}  // namespace evercert

#include "tls/client_hello.hpp"

#include <openssl/ssl.h>

#include "tls/cipher_suite.hpp"

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

std::optional<bytes_view> extension(SSL* ssl, unsigned int type) {
    const unsigned char* data = nullptr;
    std::size_t size = 0;
    if (SSL_client_hello_get0_ext(ssl, type, &data, &size) != 1)
        return std::nullopt;
    return bytes_view{data, size};
}

/// A list of numbers of two bytes each, after its length in `width` bytes.
template <class Each>
int each_number(bytes_view extension, std::size_t width, Each each) {
    bytes_view list;
    if (!take_vector(extension, width, list) || !extension.empty() || list.empty() || list.size() % 2 != 0)
        return SSL_AD_DECODE_ERROR;
    for (std::size_t at = 0; at < list.size(); at += 2)
        each(static_cast<std::uint16_t>(list[at] << 8 | list[at + 1]));
    return 0;
}

int parse_schemes(bytes_view extension, signature_schemes& into) {
    into = {};
    return each_number(extension, 2, [&into](std::uint16_t code) {
        if (const auto scheme = find_signature_scheme(code))
            into.add(*scheme);
    });
}

int parse_versions(bytes_view extension, client_support& into) {
    return each_number(extension, 1, [&into](std::uint16_t version) { into.tls_1_3 |= version == TLS1_3_VERSION; });
}

int parse_groups(bytes_view extension, client_support& into) {
    into.secp256r1 = into.secp384r1 = false;
    constexpr std::uint16_t secp256r1 = 23, secp384r1 = 24;
    return each_number(extension, 2, [&into](std::uint16_t group) {
        into.secp256r1 |= group == secp256r1;
        into.secp384r1 |= group == secp384r1;
    });
}

}  // namespace

int parse_support(const hello_fields& hello, client_support& into) {
    into = {};
    into.tls_1_3 = false;
    if (hello.supported_versions)
        if (const int alert = parse_versions(*hello.supported_versions, into))
            return alert;
    // In TLS 1.3 neither suites nor groups are about certificates.
    if (!into.tls_1_3) {
        into.ecdsa_suites = into.rsa_suites = false;
        for (std::size_t at = 0; at + 1 < hello.cipher_suites.size(); at += 2) {
            const auto suite = static_cast<std::uint16_t>(hello.cipher_suites[at] << 8 | hello.cipher_suites[at + 1]);
            into.ecdsa_suites |= is_ecdsa_suite(suite);
            into.rsa_suites |= is_rsa_suite(suite);
        }
        if (hello.supported_groups)
            if (const int alert = parse_groups(*hello.supported_groups, into))
                return alert;
    }
    if (hello.signature_algorithms) {
        if (const int alert = parse_schemes(*hello.signature_algorithms, into.signatures))
            return alert;
    } else if (!into.tls_1_3) {
        into.signatures = signature_schemes{}.add(signature_scheme::rsa_pkcs1_sha1).add(signature_scheme::ecdsa_sha1);
    }
    // Else it is OpenSSL's to refuse, but for a client that shows a ticket and no interest in certificates.
    if (hello.signature_algorithms_cert)
        return parse_schemes(*hello.signature_algorithms_cert, into.chain_signatures);
    return 0;
}

namespace {

/// Of the server, which may be an application's that speaks no more than TLS 1.2.
bool speaks_tls_1_3(SSL* ssl) {
    const auto highest = SSL_get_max_proto_version(ssl);
    return (highest == 0 || highest >= TLS1_3_VERSION) && (SSL_get_options(ssl) & SSL_OP_NO_TLSv1_3) == 0;
}

int read_support(SSL* ssl, client_support& into) {
    into = {};
    if (SSL_client_hello_isv2(ssl))
        return 0;  // of another form, and refused for its version
    hello_fields hello;
    const unsigned char* suites = nullptr;
    const std::size_t size = SSL_client_hello_get0_ciphers(ssl, &suites);
    hello.cipher_suites = {suites, size};
    if (speaks_tls_1_3(ssl))
        hello.supported_versions = extension(ssl, TLSEXT_TYPE_supported_versions);
    hello.supported_groups = extension(ssl, TLSEXT_TYPE_supported_groups);
    hello.signature_algorithms = extension(ssl, TLSEXT_TYPE_signature_algorithms);
    hello.signature_algorithms_cert = extension(ssl, TLSEXT_TYPE_signature_algorithms_cert);
    return parse_support(hello, into);
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
    if (const auto server_name = extension(ssl, TLSEXT_TYPE_server_name))
        if (const int alert = parse_server_name(*server_name, into.server_name))
            return alert;
    if (const auto alpn = extension(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation))
        if (const int alert = parse_alpn(*alpn, into.alpn_protocols))
            return alert;
    return read_support(ssl, into.support);
}

}  // namespace evercert

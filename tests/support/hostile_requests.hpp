#pragma once

#include <string>
#include <vector>

/// Requests that no server may take, written for this project, each with the status and the section that says so: RFC 9112's
/// unless it says otherwise. For a bound of 2048 bytes for heads and 1000 for bodies.
namespace test {

struct hostile {
    const char* what;
    int status;
    std::string bytes;
};

inline std::string nul() { return std::string(1, '\0'); }

inline const std::string host = "Host: a.test\r\n";
inline const std::string chunked_head = "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n";

inline const std::vector<hostile> start_lines = {
    {"2.2: bare LF after the request line", 400, "GET / HTTP/1.1\n" + host + "\r\n"},
    {"2.2: bare CR in the request line", 400, "GET /\r HTTP/1.1\r\n" + host + "\r\n"},
    {"2.2: two empty lines first", 400, "\r\n\r\nGET / HTTP/1.1\r\n" + host + "\r\n"},
    {"2.2: white space first", 400, " GET / HTTP/1.1\r\n" + host + "\r\n"},
    {"2.2: white space before the first field", 400, "GET / HTTP/1.1\r\n " + host + "\r\n"},
    {"2.3: lower case version", 400, "GET / http/1.1\r\n" + host + "\r\n"},
    {"2.3: version without minor", 400, "GET / HTTP/1\r\n" + host + "\r\n"},
    {"2.3: version with two digits", 400, "GET / HTTP/1.10\r\n" + host + "\r\n"},
    {"2.3: unknown major version", 505, "GET / HTTP/3.0\r\n" + host + "\r\n"},
    {"2.3: the preface of HTTP/2", 505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
    {"2.3: unknown minor version", 505, "GET / HTTP/1.2\r\n" + host + "\r\n"},
    {"3: HTTP/0.9", 400, "GET /\r\n\r\n"},
    {"3: two spaces", 400, "GET  / HTTP/1.1\r\n" + host + "\r\n"},
    {"3: tab for space", 400, "GET\t/ HTTP/1.1\r\n" + host + "\r\n"},
    {"3: space in the target", 400, "GET /a b HTTP/1.1\r\n" + host + "\r\n"},
    {"3: trailing space", 400, "GET / HTTP/1.1 \r\n" + host + "\r\n"},
    {"3: no target", 400, "GET HTTP/1.1\r\n" + host + "\r\n"},
    {"3: a long target", 414, "GET /" + std::string(3000, 'a') + " HTTP/1.1\r\n" + host + "\r\n"},
    {"3: a long method", 501, std::string(33, 'A') + " / HTTP/1.1\r\n" + host + "\r\n"},
    {"3.1: a method with a colon", 400, "GE:T / HTTP/1.1\r\n" + host + "\r\n"},
    {"3.1: an empty method", 400, "/ HTTP/1.1\r\n" + host + "\r\n"},
    {"3.2: a fragment", 400, "GET /#a HTTP/1.1\r\n" + host + "\r\n"},
    {"3.2: NUL in the target", 400, "GET /a" + nul() + "b HTTP/1.1\r\n" + host + "\r\n"},
    {"3.2: DEL in the target", 400, "GET /a\x7f HTTP/1.1\r\n" + host + "\r\n"},
    {"3.2: a byte above ASCII in the target", 400, "GET /\xc3\xa4 HTTP/1.1\r\n" + host + "\r\n"},
    {"3.2.1: a target without slash", 400, "GET a HTTP/1.1\r\n" + host + "\r\n"},
    {"3.2.2: another scheme", 400, "GET ftp://a.test/ HTTP/1.1\r\n" + host + "\r\n"},
    {"3.2.2: user information (RFC 9110, 4.2.4)", 400, "GET http://u@a.test/ HTTP/1.1\r\n" + host + "\r\n"},
    {"3.2.2: an empty host (RFC 9110, 4.2.1)", 400, "GET http:///a HTTP/1.1\r\n" + host + "\r\n"},
    {"3.2.3: authority-form for GET", 400, "GET a.test:80 HTTP/1.1\r\n" + host + "\r\n"},
    {"3.2.3: CONNECT", 501, "CONNECT a.test:443 HTTP/1.1\r\n" + host + "\r\n"},
    {"3.2.4: an asterisk for GET", 400, "GET * HTTP/1.1\r\n" + host + "\r\n"},
    {"a TLS ClientHello", 400, std::string{"\x16\x03\x01\x02\x00\x01\x00", 7}},
};

inline const std::vector<hostile> field_lines = {
    {"3.2: no Host", 400, "GET / HTTP/1.1\r\nA: b\r\n\r\n"},
    {"3.2: no fields at all", 400, "GET / HTTP/1.1\r\n\r\n"},
    {"3.2: two Hosts", 400, "GET / HTTP/1.1\r\n" + host + "Host: b.test\r\n\r\n"},
    {"3.2: the same Host twice", 400, "GET / HTTP/1.1\r\n" + host + host + "\r\n"},
    {"3.2: two Hosts beside an absolute target", 400, "GET http://a.test/ HTTP/1.1\r\n" + host + host + "\r\n"},
    {"3.2: a path in Host", 400, "GET / HTTP/1.1\r\nHost: a.test/b\r\n\r\n"},
    {"3.2: user information in Host", 400, "GET / HTTP/1.1\r\nHost: u@a.test\r\n\r\n"},
    {"3.2: a list in Host", 400, "GET / HTTP/1.1\r\nHost: a.test, b.test\r\n\r\n"},
    {"3.2: a port that is none", 400, "GET / HTTP/1.1\r\nHost: a.test:99999\r\n\r\n"},
    {"3.2: half an IP literal", 400, "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"},
    {"5: more fields than the bound", 431,
     "GET / HTTP/1.1\r\n" + host +
         [] {
             std::string many;
             for (int i = 0; i < 100; ++i)
                 many += "A: b\r\n";
             return many;
         }() +
         "\r\n"},
    {"5: a long field", 431, "GET / HTTP/1.1\r\nA: " + std::string(3000, 'a') + "\r\n\r\n"},
    {"5.1: white space before the colon", 400, "GET / HTTP/1.1\r\nHost : a.test\r\n\r\n"},
    {"5.1: tab before the colon", 400, "GET / HTTP/1.1\r\n" + host + "Content-Length\t: 1\r\n\r\n"},
    {"5.1: an empty name", 400, "GET / HTTP/1.1\r\n" + host + ": b\r\n\r\n"},
    {"5.1: no colon", 400, "GET / HTTP/1.1\r\n" + host + "abc\r\n\r\n"},
    {"5.1: a name with a control character", 400, "GET / HTTP/1.1\r\n" + host + "A\x01: b\r\n\r\n"},
    {"5.1: a name above ASCII", 400, "GET / HTTP/1.1\r\n" + host + "\xc3\xa4: b\r\n\r\n"},
    {"5.1: a name with a slash", 400, "GET / HTTP/1.1\r\n" + host + "A/B: b\r\n\r\n"},
    {"5.2: a folded line", 400, "GET / HTTP/1.1\r\n" + host + "A: b\r\n c\r\n\r\n"},
    {"5.2: a line folded by a tab", 400, "GET / HTTP/1.1\r\n" + host + "A: b\r\n\tc\r\n\r\n"},
    {"5.2: a folded Transfer-Encoding", 400, "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding:\r\n chunked\r\n\r\n"},
    {"5.5: NUL in a value (RFC 9110)", 400, "GET / HTTP/1.1\r\n" + host + "A: b" + nul() + "c\r\n\r\n"},
    {"5.5: bare CR in a value (RFC 9110)", 400, "GET / HTTP/1.1\r\n" + host + "A: b\rc\r\n\r\n"},
    {"5.5: bare LF in a value (RFC 9110)", 400, "GET / HTTP/1.1\r\n" + host + "A: b\nc: d\r\n\r\n"},
    {"5.5: DEL in a value (RFC 9110)", 400, "GET / HTTP/1.1\r\n" + host + "A: b\x7f\r\n\r\n"},
    {"2.2: a head that ends with CR CR LF", 400, "GET / HTTP/1.1\r\n" + host + "\r\r\n"},
    {"2.2: a head that ends with LF LF", 400, "GET / HTTP/1.1\r\nHost: a.test\n\n"},
    {"10.1.1: an unknown expectation (RFC 9110)", 417, "GET / HTTP/1.1\r\n" + host + "Expect: tea\r\n\r\n"},
};

inline hostile framing(const char* what, int status, const std::string& lines, const char* version = "1.1") {
    return {what, status, "POST / HTTP/" + std::string{version} + "\r\n" + host + lines + "\r\n0\r\n\r\n"};
}

inline const std::vector<hostile> framings = {
    framing("6.1: xchunked", 400, "Transfer-Encoding: xchunked\r\n"),
    framing("6.1: chunkedx", 400, "Transfer-Encoding: chunkedx\r\n"),
    framing("6.1: chunked in quotes", 400, "Transfer-Encoding: \"chunked\"\r\n"),
    framing("6.1: identity", 400, "Transfer-Encoding: identity\r\n"),
    framing("6.1: an empty coding", 400, "Transfer-Encoding: \r\n"),
    framing("6.1: a vertical tab before chunked", 400, "Transfer-Encoding: \vchunked\r\n"),
    framing("6.1: chunked is not final", 400, "Transfer-Encoding: chunked, gzip\r\n"),
    framing("6.1: chunked with a parameter", 400, "Transfer-Encoding: chunked;a=b\r\n"),
    framing("6.1: chunked is not alone", 501, "Transfer-Encoding: gzip, chunked\r\n"),
    framing("6.1: chunked twice", 501, "Transfer-Encoding: chunked, chunked\r\n"),
    framing("6.1: Transfer-Encoding twice", 400, "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
    framing("6.1: identity, then chunked", 400, "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n"),
    framing("6.1: Transfer-Encoding in HTTP/1.0", 400, "Transfer-Encoding: chunked\r\n", "1.0"),
    framing("6.3: both framings", 400, "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
    framing("6.3: both framings, the other way around", 400, "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
    framing("6.3: xchunked beside Content-Length", 400, "Content-Length: 5\r\nTransfer-Encoding: xchunked\r\n"),
    framing("6.3: two lengths", 400, "Content-Length: 5\r\nContent-Length: 6\r\n"),
    framing("6.3: one length twice", 400, "Content-Length: 5\r\nContent-Length: 5\r\n"),
    framing("6.3: a list of lengths", 400, "Content-Length: 5, 5\r\n"),
    framing("6.2: a signed length", 400, "Content-Length: +5\r\n"),
    framing("6.2: a negative length", 400, "Content-Length: -5\r\n"),
    framing("6.2: a hexadecimal length", 400, "Content-Length: 0x5\r\n"),
    framing("6.2: an empty length", 400, "Content-Length: \r\n"),
    framing("6.2: a length with a space", 400, "Content-Length: 5 5\r\n"),
    framing("6.2: a length beyond 64 bits", 400, "Content-Length: 18446744073709551616\r\n"),
    framing("6.2: a length of 64 bits", 413, "Content-Length: 18446744073709551615\r\n"),
    framing("6.2: a length above the bound", 413, "Content-Length: 1001\r\n"),
};

inline const std::vector<hostile> chunks = {
    {"7.1: no size", 400, chunked_head + "\r\n"},
    {"7.1: not a hexadecimal digit", 400, chunked_head + "g\r\n"},
    {"7.1: a size with 0x", 400, chunked_head + "0x5\r\nabcde\r\n0\r\n\r\n"},
    {"7.1: a signed size", 400, chunked_head + "+5\r\nabcde\r\n0\r\n\r\n"},
    {"7.1: white space before the size", 400, chunked_head + " 5\r\nabcde\r\n0\r\n\r\n"},
    {"7.1: white space after the size", 400, chunked_head + "5 \r\nabcde\r\n0\r\n\r\n"},
    {"7.1: too many digits", 400, chunked_head + "00000000000000005\r\nabcde\r\n0\r\n\r\n"},
    {"7.1: a size of 64 bits", 413, chunked_head + "ffffffffffffffff\r\n"},
    {"7.1: a size above the bound", 413, chunked_head + "3e9\r\n"},
    {"7.1: chunks above the bound", 413, chunked_head + "1f4\r\n" + std::string(500, 'a') + "\r\n1f5\r\n"},
    {"7.1: bare LF after the size", 400, chunked_head + "5\nabcde\r\n0\r\n\r\n"},
    {"7.1: bare CR after the size", 400, chunked_head + "5\rabcde\r\n0\r\n\r\n"},
    {"7.1: bare LF after the data", 400, chunked_head + "5\r\nabcde\n0\r\n\r\n"},
    {"7.1: data longer than its size", 400, chunked_head + "5\r\nabcdef\r\n0\r\n\r\n"},
    {"7.1.1: bare LF in an extension", 400, chunked_head + "5;a\nabcde\r\n0\r\n\r\n"},
    {"7.1.1: NUL in an extension", 400, chunked_head + "5;a" + nul() + "\r\nabcde\r\n0\r\n\r\n"},
    {"7.1.1: a long extension", 400, chunked_head + "5;" + std::string(5000, 'a') + "\r\nabcde\r\n0\r\n\r\n"},
    {"7.1.1: many extensions", 400,
     chunked_head +
         [] {
             std::string many;
             for (int i = 0; i < 10; ++i)
                 many += "1;" + std::string(500, 'a') + "\r\nb\r\n";
             return many;
         }()},
    {"7.1.2: a trailer without name", 400, chunked_head + "0\r\n: a\r\n\r\n"},
    {"7.1.2: a trailer without colon", 400, chunked_head + "0\r\nabc\r\n\r\n"},
    {"7.1.2: white space before the colon of a trailer", 400, chunked_head + "0\r\nA : b\r\n\r\n"},
    {"7.1.2: a folded trailer", 400, chunked_head + "0\r\nA: b\r\n c\r\n\r\n"},
    {"7.1.2: NUL in a trailer", 400, chunked_head + "0\r\nA: b" + nul() + "\r\n\r\n"},
    {"7.1.2: bare LF at the end", 400, chunked_head + "0\r\n\n"},
    {"7.1.2: a trailer beyond 64 kB", 431, chunked_head + "0\r\nA: " + std::string(70'000, 'a') + "\r\n\r\n"},
    {"7.1.2: many trailers", 431,
     chunked_head + "0\r\n" +
         [] {
             std::string many;
             for (int i = 0; i < 2000; ++i)
                 many += "A: b\r\n";
             return many;
         }()},
};

}  // namespace test

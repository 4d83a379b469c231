// An HTTPS server with golang.org/x/crypto/acme/autocert, to compare with. It listens at once and obtains a
// certificate at the first handshake for a name, or with -obtain all of them at once before anybody asks.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"strings"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

// Pebble answers finalize without Location, which RFC 8555 does not ask for; autocert cannot go on without it.
type withLocation struct{ next http.RoundTripper }

func (t withLocation) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := t.next.RoundTrip(request)
	if err == nil && strings.Contains(request.URL.Path, "/finalize-order/") {
		order := strings.Replace(request.URL.String(), "/finalize-order/", "/my-order/", 1)
		response.Header.Set("Location", order)
	}
	return response, err
}

func obtain(manager *autocert.Manager, host string) {
	hello := &tls.ClientHelloInfo{
		ServerName:   host,
		CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
	}
	if _, err := manager.GetCertificate(hello); err != nil {
		log.Fatal(err)
	}
}

func main() {
	directory := flag.String("directory", "", "the ACME directory of the CA")
	caFile := flag.String("ca-file", "", "the root of the CA's own HTTPS")
	address := flag.String("address", "", "where to serve HTTPS")
	cache := flag.String("cache", "", "the folder for certificates")
	hosts := flag.String("hosts", "", "names, by commas; none = any")
	files := flag.String("files", "", "a folder of which /files/ is served; none = none")
	now := flag.Bool("obtain", false, "obtain for all names at once, before anybody asks")
	flag.Parse()

	root, err := os.ReadFile(*caFile)
	if err != nil {
		log.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(root)
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: roots}

	names := strings.Split(*hosts, ",")
	manager := &autocert.Manager{
		Prompt:     autocert.AcceptTOS,
		Cache:      autocert.DirCache(*cache),
		Client: &acme.Client{
			DirectoryURL: *directory,
			HTTPClient:   &http.Client{Transport: withLocation{transport}},
		},
	}
	if *hosts != "" {
		manager.HostPolicy = autocert.HostWhitelist(names...)
	}
	listener, err := tls.Listen("tcp", *address, manager.TLSConfig())
	if err != nil {
		log.Fatal(err)
	}
	if *now {
		obtained := make(chan bool)
		for _, name := range names {
			go func(name string) {
				obtain(manager, name)
				obtained <- true
			}(name)
		}
		go func() {
			for range names {
				<-obtained
			}
			fmt.Println("obtained", len(names))
		}()
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "Hello from %s, over TLS.\n", r.TLS.ServerName)
	})
	if *files != "" {
		mux.Handle("/files/", http.FileServer(http.Dir(*files)))
	}
	// The same as evercert's defaults.
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 75 * time.Second}
	log.Fatal(server.Serve(listener))
}

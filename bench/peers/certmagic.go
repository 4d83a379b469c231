// An HTTPS server with CertMagic, to compare with: it listens at once and obtains the certificates of all names at
// once, without the limiter that would let ten pass in ten seconds.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
)

// Many at once in an empty folder find the account's file half written, now and then; a second try finds it whole.
func obtain(config *certmagic.Config, name string) (err error) {
	for tries := 0; tries < 5; tries++ {
		if err = config.ManageSync(context.Background(), []string{name}); err == nil {
			break
		}
	}
	return
}

func main() {
	directory := flag.String("directory", "", "the ACME directory of the CA")
	caFile := flag.String("ca-file", "", "the root of the CA's own HTTPS")
	address := flag.String("address", "", "where to serve HTTPS")
	cache := flag.String("cache", "", "the folder for certificates")
	hosts := flag.String("hosts", "", "names, by commas")
	flag.Parse()

	root, err := os.ReadFile(*caFile)
	if err != nil {
		log.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(root)
	host, text, err := net.SplitHostPort(*address)
	if err != nil {
		log.Fatal(err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		log.Fatal(err)
	}

	certmagic.RateLimitEvents, certmagic.RateLimitEventsWindow = 0, 0
	certmagic.Default.Logger = zap.NewNop()
	certmagic.Default.Storage = &certmagic.FileStorage{Path: *cache}
	certmagic.DefaultACME.Logger = zap.NewNop()
	certmagic.DefaultACME.CA = *directory
	certmagic.DefaultACME.TrustedRoots = roots
	certmagic.DefaultACME.Agreed = true
	certmagic.DefaultACME.Email = "bench@example.com"
	certmagic.DefaultACME.ListenHost = host
	certmagic.DefaultACME.AltTLSALPNPort = port
	certmagic.DefaultACME.DisableHTTPChallenge = true
	config := certmagic.NewDefault()

	settings := config.TLSConfig()
	settings.NextProtos = append([]string{"http/1.1"}, settings.NextProtos...)
	listener, err := tls.Listen("tcp", *address, settings)
	if err != nil {
		log.Fatal(err)
	}
	names := strings.Split(*hosts, ",")
	obtained := make(chan error)
	for _, name := range names {
		go func(name string) { obtained <- obtain(config, name) }(name)
	}
	go func() {
		for range names {
			if err := <-obtained; err != nil {
				log.Fatal(err)
			}
		}
		fmt.Println("obtained", len(names))
	}()
	log.Fatal(http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "Hello from %s\n", r.TLS.ServerName)
	})))
}

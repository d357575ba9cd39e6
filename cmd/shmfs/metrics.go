package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metricsServer serves a mount's metrics over HTTP.
type metricsServer struct {
	server   *http.Server
	listener net.Listener
	ended    chan struct{} // closed when it listens no more
}

// checkMetricsAddress refuses what is no address to listen on. Without a host it is the loopback interface: metrics tell names of
// nobody, but how much there is.
func checkMetricsAddress(address string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil || port == "" {
		return "", failure(exitUsage, "--metrics-listen %q: give [HOST]:PORT, as in 127.0.0.1:9464", address)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port), nil
}

// serveMetrics listens on an address and serves in the background until it is closed.
func serveMetrics(address string, gatherer prometheus.Gatherer, log hclog.Logger) (*metricsServer, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listening for --metrics-listen: %w: give another address", err)
	}
	routes := http.NewServeMux()
	routes.Handle("GET /metrics", promhttp.HandlerFor(gatherer, promhttp.HandlerOpts{
		ErrorLog: log.StandardLogger(&hclog.StandardLoggerOptions{InferLevels: true}), MaxRequestsInFlight: 4,
	}))
	s := &metricsServer{listener: listener, ended: make(chan struct{}), server: &http.Server{
		Handler: routes, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog: log.StandardLogger(&hclog.StandardLoggerOptions{InferLevels: true}),
	}}
	go func() {
		defer close(s.ended)
		if err := s.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("serving metrics ended", "error", err)
		}
	}()
	log.Info("serving metrics", "address", listener.Addr().String())
	return s, nil
}

// close lets requests end that are being answered, for a moment.
func (s *metricsServer) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := s.server.Shutdown(ctx)
	if err != nil {
		err = s.server.Close()
	}
	<-s.ended // at once, but if it was closed before it began, nobody else would wait for that
	return err
}

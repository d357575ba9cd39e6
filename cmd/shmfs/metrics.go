package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sys/unix"
)

// mostReaders is how many connections are served at a time. Whoever reaches the address may open any number.
const mostReaders = 32

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

// listenForMetrics listens on an address, and returns the socket for another process to serve on.
func listenForMetrics(address string) (int, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return -1, fmt.Errorf("listening for --metrics-listen: %w: give another address", err)
	}
	defer listener.Close()
	raw, err := listener.(*net.TCPListener).SyscallConn()
	if err != nil {
		return -1, fmt.Errorf("listening for --metrics-listen: %w", err)
	}
	// Not File, whose Fd would make the socket block, in every process that has it.
	copied, copying := -1, error(nil)
	err = raw.Control(func(socket uintptr) { copied, copying = unix.FcntlInt(socket, unix.F_DUPFD_CLOEXEC, 0) })
	if err = errors.Join(err, copying); err != nil {
		return -1, fmt.Errorf("copying the socket for --metrics-listen: %w", err)
	}
	return copied, nil
}

// serveMetrics serves on a listening socket in the background until it is closed. It takes the socket over.
func serveMetrics(socket int, gatherer prometheus.Gatherer, log hclog.Logger) (*metricsServer, error) {
	file := os.NewFile(uintptr(socket), "metrics")
	listener, err := net.FileListener(file)
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, fmt.Errorf("serving metrics: %w", err)
	}
	routes := http.NewServeMux()
	routes.Handle("GET /metrics", promhttp.HandlerFor(gatherer, promhttp.HandlerOpts{
		ErrorLog: log.StandardLogger(&hclog.StandardLoggerOptions{InferLevels: true}), MaxRequestsInFlight: 4,
	}))
	listener = newBoundedListener(listener, mostReaders)
	s := &metricsServer{listener: listener, ended: make(chan struct{}), server: &http.Server{
		Handler: routes, ReadTimeout: 10 * time.Second, WriteTimeout: time.Minute, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
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

// stop lets requests end that are being answered, for less than anybody notices.
func (s *metricsServer) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if s.server.Shutdown(ctx) != nil {
		_ = s.server.Close()
	}
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

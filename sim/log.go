package sim

import (
	"context"
	"log/slog"
)

// logHandler stamps records with virtual time, machine and task and writes them as text.
type logHandler struct {
	inc  *incarnation
	next slog.Handler
}

func (inc *incarnation) logger() *slog.Logger {
	cfg := &inc.w.cfg
	if cfg.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	text := slog.NewTextHandler(cfg.Log, &slog.HandlerOptions{Level: cfg.LogLevel})
	return slog.New(logHandler{inc, text})
}

// Enabled implements slog.Handler.
func (h logHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return !h.inc.dead && h.next.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (h logHandler) Handle(ctx context.Context, r slog.Record) error {
	w := h.inc.w
	r.Time = w.cfg.Epoch.Add(w.now.Sub(0))
	r.AddAttrs(slog.String("machine", h.inc.String()))
	if t := w.current; t != nil {
		r.AddAttrs(slog.String("task", t.name))
	}
	return h.next.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return logHandler{h.inc, h.next.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h logHandler) WithGroup(name string) slog.Handler {
	return logHandler{h.inc, h.next.WithGroup(name)}
}

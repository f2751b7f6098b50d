package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

func main() {
	if err := rootCommand().Execute(); err != nil {
		if !errors.Is(err, errSaid) {
			fmt.Fprintln(os.Stderr, "weir: "+err.Error())
		}
		os.Exit(1)
	}
}

// errSaid ends a command that has already told the user why.
var errSaid = errors.New("already reported")

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "weir",
		Short: "A Kafka-compatible log broker on object storage",
		Long: `weir is a Kafka-compatible log broker for the cloud: every byte ends up in object storage,
a small write-ahead log on one volume makes acknowledgements fast.

Start with:
  weir server                          # Kafka on 127.0.0.1:9092, data in ./weir-data
  echo hello | weir produce greetings  # in another terminal
  weir consume greetings`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(serverCommand(), topicCommand(), groupCommand(), produceCommand(), consumeCommand(),
		recoverCommand(), fsckCommand(), simCommand(), devCommand(), clusterCommand(), brokerCommand(), versionCommand())
	return root
}

// Prints the name of the user, by Go's package os/user, which without cgo reads /etc/passwd itself.
package main

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
)

func main() {
	who, err := user.LookupId(strconv.Itoa(os.Getuid()))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(who.Username)
}

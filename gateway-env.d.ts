// Lets types know the built-in adapters and the options of each, so that editors complete them in the config.
import "@gatewright/adapters";

import common from "./common";
import data from "./data";
import errors from "./errors";
import search from "./search";
import serve from "./serve";

export default { ...common, ...data, ...search, ...serve, ...errors };

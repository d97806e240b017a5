/** @file Where records of the Earth's rotation come from: the addresses of their publishers, in one table. */

export interface RecordSource {
  /** As users name it. */
  readonly name: string;
  readonly what: string;
  /** Of the file that is kept. */
  readonly file: string;
  /**
   * Where it is, best first; `{year}` stands for each year of a series in yearly files, which are joined.
   */
  readonly addresses: readonly string[];
  /** First of the yearly files. */
  readonly firstYear?: number;
  readonly cite: string;
}

const PARIS = "https://hpiers.obspm.fr/iers/eop";
const DATA_CENTRE = "https://datacenter.iers.org/data";
const GFZ = "https://rz-vm480.gfz.de/files/ESMGFZ/EAM";

/** A kind of effective angular momentum. GFZ's file of each year, or the data centre's table of it. */
function momentum(name: string, what: string, stem: string): RecordSource {
  return {
    name: name.toLowerCase(),
    what: `effective angular momentum of ${what}, from 1976`,
    file: `${name.toLowerCase()}.asc`,
    addresses: [
      `${GFZ}/operational_${name}/${stem}_{year}.asc`,
      `${DATA_CENTRE}/csv/${stem}_{year}.asc.csv`,
    ],
    firstYear: 1976,
    cite: "Dobslaw and Dill, Earth System Modelling at GFZ (ESMGFZ)",
  };
}

export const RECORD_SOURCES: readonly RecordSource[] = [
  {
    name: "c04",
    what: "IERS EOP 20 C04, daily from 1962",
    file: "eopc04.1962-now",
    addresses: [
      `${PARIS}/eopc04/eopc04.1962-now`,
      `${DATA_CENTRE}/latestVersion/EOP_20_C04_one_file_1962-now.txt`,
    ],
    cite: "IERS EOP 20 C04, Bizouard et al. 2019, J. Geod. 93:621",
  },
  {
    name: "c04-14",
    what: "IERS EOP 14 C04, daily from 1962, no longer continued",
    file: "eopc04_14_IAU2000.62-now",
    addresses: [
      `${PARIS}/eopc04_14/eopc04_IAU2000.62-now`,
      `${DATA_CENTRE}/latestVersion/EOP_14_C04_IAU2000A_one_file_1962-now.txt`,
    ],
    cite: "IERS EOP 14 C04, Bizouard et al. 2019, J. Geod. 93:621",
  },
  {
    name: "finals2000a",
    what: "Bulletin A of the IERS with predictions, daily from 1973",
    file: "finals2000A.all",
    addresses: [
      `${DATA_CENTRE}/9/finals2000A.all`,
      "https://maia.usno.navy.mil/ser7/finals2000A.all",
    ],
    cite: "IERS Rapid Service/Prediction Centre, Bulletin A",
  },
  momentum("AAM", "the atmosphere", "ESMGFZ_AAM_v1.0_03h"),
  momentum("OAM", "the ocean", "ESMGFZ_OAM_v1.0_03h"),
  momentum("HAM", "water on land", "ESMGFZ_HAM_v1.2_24h"),
  momentum("SLAM", "the changing sea level", "ESMGFZ_SLAM_v1.2_24h"),
];
